import * as config from "./bindings/config";
import { Header, Reply } from "./bindings/on-request";
import * as request from "./bindings/request";

/** Null: on to the stages below. */
export function onRequest(): Reply | null {
  const configured = config.get("greeting");
  const greeting = configured === null ? "Hello" : configured;
  const name = request.queryParam("name");
  if (name !== null) return text(`${greeting}, ${name}!\n`);
  request.setHeader("x-greeting", greeting);
  return null;
}

function text(body: string): Reply {
  const headers = [new Header("content-type", "text/plain; charset=utf-8")];
  return new Reply(200, headers, String.UTF8.encode(body));
}
