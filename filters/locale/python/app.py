"""Chooses the language of an exchange."""

from collections.abc import Iterator, Sequence

from placeholder import Replacer
from wit_world import exports
from wit_world.exports.on_request import Reply, Verdict, Verdict_Next, Verdict_Reply
from wit_world.imports import config, log, request, response


class OnRequest(exports.OnRequest):
    def on_request(self) -> Verdict:
        languages = list(configured())
        if not languages:
            log.log(log.Level.ERROR, "config: want languages, a list of tags")
            raise ValueError("bad configuration")
        asked = request.query_param("lang")
        language = preferred(languages) if asked is None else find(languages, asked)
        if language is None:
            return Verdict_Reply(unknown(asked or "", languages))
        request.set_header("x-language", language)
        request.remove_header("accept-language")
        request.set_note("language", language)
        return Verdict_Next()


class OnResponse(exports.OnResponse):
    def on_response(self) -> None:
        language = request.note("language") or ""
        response.set_header("content-language", language)
        response.append_header("vary", "accept-language, cookie")
        if request.query_param("lang") is not None:
            response.append_header("set-cookie", f"lang={language}; Path=/; SameSite=Lax")


class OnBody(exports.OnBody):
    """A new one is made for each call, so what lasts is kept in the class."""

    replacer: Replacer

    def open(self) -> bool:
        media_type = (response.header("content-type") or "").partition(";")[0].strip().lower()
        html = media_type == "text/html" and response.header("content-encoding") is None
        if html:
            OnBody.replacer = Replacer((request.note("language") or "").encode())
        return html

    def push(self, chunk: bytes) -> bytes:
        return self.replacer.push(chunk)

    def finish(self) -> bytes:
        return self.replacer.finish()


def configured() -> Iterator[str]:
    index = 0
    while (language := config.get(f"languages.{index}")) is not None:
        yield language
        index += 1


def preferred(languages: Sequence[str]) -> str:
    cookie = request.cookie("lang")
    if cookie is not None and (language := find(languages, cookie)):
        return language
    ranges = (request.header("accept-language") or "").split(",")
    found = (find(languages, primary(item)) for item in ranges)
    return next(filter(None, found), languages[0])


def find(languages: Sequence[str], name: str) -> str | None:
    return next((language for language in languages if language.lower() == name.lower()), None)


def primary(language_range: str) -> str:
    """The primary subtag: `de` of ` de-AT;q=0.7`."""
    return language_range.partition(";")[0].partition("-")[0].strip()


def unknown(asked: str, languages: Sequence[str]) -> Reply:
    text = f"There is no {asked} here, only {', '.join(languages)}.\n"
    return Reply(404, [("content-type", "text/plain; charset=utf-8")], text.encode())
