// Chooses the language of an exchange.

import config from "sluice:filter/config@0.1.0";
import log from "sluice:filter/log@0.1.0";
import request from "sluice:filter/request@0.1.0";
import response from "sluice:filter/response@0.1.0";

import { Replacer } from "./placeholder.js";
import { utf8 } from "./utf8.js";

let replacer;

export const onRequest = {
  onRequest() {
    const languages = [...configured()];
    if (languages.length === 0) {
      log.log("error", "config: want languages, a list of tags");
      throw new Error("bad configuration");
    }
    const asked = request.queryParam("lang");
    const language = asked === null ? preferred(languages) : find(languages, asked);
    if (language === undefined) return { tag: "reply", val: unknown(asked, languages) };
    request.setHeader("x-language", language);
    request.removeHeader("accept-language");
    request.setNote("language", language);
    return { tag: "next" };
  },
};

export const onResponse = {
  onResponse() {
    const language = request.note("language");
    response.setHeader("content-language", language);
    response.appendHeader("vary", "accept-language, cookie");
    if (request.queryParam("lang") !== null) {
      response.appendHeader("set-cookie", `lang=${language}; Path=/; SameSite=Lax`);
    }
  },
};

export const onBody = {
  open() {
    const mediaType = (response.header("content-type") ?? "").split(";")[0].trim().toLowerCase();
    const html = mediaType === "text/html" && response.header("content-encoding") === null;
    if (html) replacer = new Replacer(request.note("language"));
    return html;
  },
  push: (chunk) => replacer.push(chunk),
  finish: () => replacer.finish(),
};

function* configured() {
  for (let index = 0; ; index++) {
    const language = config.get(`languages.${index}`);
    if (language === null) return;
    yield language;
  }
}

function preferred(languages) {
  const cookie = request.cookie("lang");
  const kept = cookie === null ? undefined : find(languages, cookie);
  if (kept !== undefined) return kept;
  for (const range of (request.header("accept-language") ?? "").split(",")) {
    const found = find(languages, primary(range));
    if (found !== undefined) return found;
  }
  return languages[0];
}

function find(languages, name) {
  return languages.find((language) => language.toLowerCase() === name.toLowerCase());
}

/** The primary subtag of a language range: `de` of ` de-AT;q=0.7`. */
function primary(range) {
  return range.split(/[;-]/, 1)[0].trim();
}

function unknown(asked, languages) {
  const text = `There is no ${asked} here, only ${languages.join(", ")}.\n`;
  return {
    status: 404,
    headers: [["content-type", "text/plain; charset=utf-8"]],
    body: utf8(text),
  };
}
