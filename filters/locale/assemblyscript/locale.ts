// Chooses the language of an exchange.

import * as config from "./bindings/config";
import { Level, log } from "./bindings/log";
import { Header, Reply } from "./bindings/on-request";
import * as request from "./bindings/request";
import * as response from "./bindings/response";
import { Replacer } from "./placeholder";

let body = new Replacer("");

/** Null: on to the stages below. */
export function onRequest(): Reply | null {
  const languages = configured();
  const asked = request.queryParam("lang");
  const language = asked === null ? preferred(languages) : find(languages, asked);
  if (language === null) return unknown(asked!, languages);
  request.setHeader("x-language", language);
  request.removeHeader("accept-language");
  request.setNote("language", language);
  return null;
}

export function onResponse(): void {
  const language = request.note("language")!;
  response.setHeader("content-language", language);
  response.appendHeader("vary", "accept-language, cookie");
  if (request.queryParam("lang") !== null) {
    response.appendHeader("set-cookie", `lang=${language}; Path=/; SameSite=Lax`);
  }
}

export function open(): bool {
  const type = response.header("content-type");
  if (type === null || !same(type.split(";")[0].trim(), "text/html")) return false;
  if (response.header("content-encoding") !== null) return false;
  body = new Replacer(request.note("language")!);
  return true;
}

export function push(chunk: Uint8Array): Uint8Array {
  return body.push(chunk);
}

export function finish(): Uint8Array {
  return body.finish();
}

function configured(): string[] {
  const languages: string[] = [];
  for (;;) {
    const language = config.get(`languages.${languages.length}`);
    if (language === null) break;
    languages.push(language);
  }
  if (languages.length == 0) {
    log(Level.error, "config: want languages, a list of tags");
    unreachable();
  }
  return languages;
}

function preferred(languages: string[]): string {
  const cookie = request.cookie("lang");
  if (cookie !== null) {
    const kept = find(languages, cookie);
    if (kept !== null) return kept;
  }
  const accepted = request.header("accept-language");
  if (accepted !== null) {
    const ranges = accepted.split(",");
    for (let i = 0; i < ranges.length; i++) {
      const found = find(languages, primary(ranges[i]));
      if (found !== null) return found;
    }
  }
  return languages[0];
}

function find(languages: string[], name: string): string | null {
  for (let i = 0; i < languages.length; i++) {
    if (same(languages[i], name)) return languages[i];
  }
  return null;
}

/** Whether two texts are the same but for the case of ASCII letters. */
function same(left: string, right: string): bool {
  if (left.length != right.length) return false;
  for (let i = 0; i < left.length; i++) {
    if (lower(left.charCodeAt(i)) != lower(right.charCodeAt(i))) return false;
  }
  return true;
}

function lower(character: i32): i32 {
  return character >= 0x41 && character <= 0x5a ? character | 0x20 : character;
}

/** The primary subtag of a language range: `de` of ` de-AT;q=0.7`. */
function primary(range: string): string {
  return range.split(";")[0].split("-")[0].trim();
}

function unknown(asked: string, languages: string[]): Reply {
  const text = `There is no ${asked} here, only ${languages.join(", ")}.\n`;
  const headers = [new Header("content-type", "text/plain; charset=utf-8")];
  return new Reply(404, headers, String.UTF8.encode(text));
}
