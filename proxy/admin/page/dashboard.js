"use strict";

// Counters come from /dashboard.json; what is shown beside them is the difference to the document before.

const EVERY = 2000;
const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
let before = null;
let paused = false;
let timer = 0;

// Elements, never HTML made of text: names and URLs are other people's.
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

async function ask(path, options = {}) {
  const token = sessionStorage.getItem("token");
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(path, { cache: "no-store", ...options, headers });
  if (response.status === 401) throw new Unauthorized();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${(await response.text()).trim()}`);
  return response.json();
}

class Unauthorized extends Error {}

async function refresh() {
  clearTimeout(timer);
  try {
    const now = await ask("/dashboard.json");
    $("login").hidden = $("problem").hidden = true;
    show(now, before);
    if (!before || before.generation !== now.generation) await configuration(now);
    before = now;
  } catch (error) {
    $("login").hidden = !(error instanceof Unauthorized);
    $("problem").hidden = error instanceof Unauthorized;
    $("problem").textContent = `The proxy does not answer: ${error.message}`;
    if (error instanceof Unauthorized) return $("token").focus();
  }
  if (!paused && !document.hidden) timer = setTimeout(refresh, EVERY);
}

const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);
const requestsOf = (route) => sum(route.statuses);
const all = (data, of) => [...data.routes, data.unrouted].reduce((total, route) => total + of(route), 0);

// Of buckets that are not cumulative: the upper bound of the one in which this share of all lies, or null.
function percentile(buckets, bounds, share) {
  const total = buckets.reduce((a, b) => a + b, 0);
  let seen = 0;
  for (let i = 0; i < buckets.length; i++) {
    const within = buckets[i];
    if (total && within && seen + within >= share * total) {
      if (i === bounds.length) return Infinity;
      const low = i ? bounds[i - 1] : 0;
      return low + ((bounds[i] - low) * (share * total - seen)) / within;
    }
    seen += within;
  }
  return null;
}

function duration(seconds) {
  if (seconds === null) return "–";
  if (seconds === Infinity) return "> 10 s";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  return seconds < 1 ? `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms` : `${seconds.toFixed(1)} s`;
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) { count /= 1024; unit++; }
  return `${count >= 100 || !unit ? Math.round(count) : count.toFixed(1)} ${units[unit]}`;
}

const share = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "–");
const hitsOf = (cache) => (cache?.hit ?? 0) + (cache?.["stale-hit"] ?? 0);

function show(now, last) {
  const seconds = last ? Math.max(now.now - last.now, 0.1) : 0;
  const rate = (of) => (last && last.began === now.began ? Math.max(0, (of(now) - of(last)) / seconds) : null);
  $("about").textContent = `${now.version} · up ${age(now.now - now.began)} · generation ${now.generation}`;
  $("generation").textContent = now.generation;
  tiles(now, rate);
  replace("routes", ...now.routes.map((route) => routePicture(route, now)));
  caches(now);
  table("filters", ["filter", "runs", "remembered", "mean", "failures", "state"], now.filters.map((filter) => [
    filter.name, number.format(filter.runs), number.format(filter.remembered), duration(mean(filter)),
    count(filter.errors), [filter.state, filter.state === "ready" ? "good" : "bad"],
  ]), "No filters are configured.");
  table("upstreams", ["endpoint", "requests", "failures", "active", "idle", "health"], now.upstreams.map((each) => [
    `${each.upstream}: ${each.endpoint}`, number.format(each.requests), count(each.failures), each.active, each.idle,
    health(each),
  ]), "No upstream has been asked yet.");
  table("failures", ["type (RFC 9209)", "answers"], Object.entries(now.failures).map(([type, n]) => [type, count(n)]),
    "None.");
  table("slowest", ["URL", "took", "status"], now.slowest.map((each) => [
    each.url, duration(each.microseconds / 1e6), each.status,
  ]), "No request since then.");
  table("missed", ["URL", "cache", "misses"], now.missed.map((each) => [
    each.url, each.cache, number.format(each.count),
  ]), "No miss since then.");
}

const mean = (filter) => {
  const steps = filter.runs + filter.remembered;
  return steps ? filter.microseconds / steps / 1e6 : null;
};
const count = (n) => [number.format(n), n ? "bad" : ""];

function health(each) {
  return each.state === "healthy" ? ["healthy", "good"] : [each.state, "bad"];
}

function age(seconds) {
  const minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
  return days ? `${days} d ${hours % 24} h` : hours ? `${hours} h ${minutes % 60} min` : minutes ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

function tiles(now, rate) {
  const buckets = now.bounds.map(() => 0).concat(0);
  for (const route of [...now.routes, now.unrouted]) route.buckets.forEach((n, i) => { buckets[i] += n; });
  const perSecond = rate((data) => all(data, requestsOf));
  const errors = all(now, (route) => route.statuses["5xx"] ?? 0);
  const tile = (name, value, more = "") =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value, more && element("small", {}, ` ${more}`)));
  replace("tiles",
    tile("Requests", number.format(all(now, requestsOf)), perSecond === null ? "" : `${perSecond.toFixed(1)}/s`),
    tile("Under way", number.format(now.running), `${number.format(now.connections)} connections`),
    tile("Server errors", number.format(errors), share(errors, all(now, requestsOf))),
    tile("Sent", bytes(all(now, (route) => route.sent))),
    ...[0.5, 0.9, 0.99].map((each) => tile(`p${each * 100}`, duration(percentile(buckets, now.bounds, each)))),
    tile("Cut short", number.format(all(now, (route) => route.aborted))));
}

function routePicture(route, data) {
  const total = requestsOf(route);
  const at = (portion) => duration(percentile(route.buckets, data.bounds, portion));
  const stages = route.chain.map((stage) => element("li", {}, stagePicture(stage, route, data)));
  return element("article", { class: "route" },
    element("h3", {}, route.name),
    element("p", {}, `${number.format(total)} requests · p50 ${at(0.5)} · p99 ${at(0.99)}`),
    element("ol", { class: "chain", "aria-label": `Stages of ${route.name}` }, ...stages));
}

function stagePicture(stage, route, data) {
  const lines = [];
  if (stage.stage === "cache") {
    const cache = data.caches[stage.name] ?? {}, total = sum(cache);
    lines.push(element("span", {}, `${share(hitsOf(cache), total)} hits`));
    lines.push(element("meter", { min: 0, max: 1, value: total ? hitsOf(cache) / total : 0, "aria-label": "hit ratio" }));
    lines.push(element("span", {}, `${number.format(total)} requests`));
  } else if (stage.stage === "filter" || stage.stage === "serve") {
    const filter = data.filters.find((each) => each.name === stage.name);
    lines.push(element("span", {}, `${number.format(filter.runs)} runs · ${duration(mean(filter))}`));
    if (filter.remembered) lines.push(element("span", {}, `${number.format(filter.remembered)} remembered`));
    if (filter.errors) lines.push(element("span", { class: "bad" }, `${number.format(filter.errors)} failed`));
  } else if (stage.stage === "forward") {
    const endpoints = data.upstreams.filter((each) => each.upstream === stage.name);
    const requests = endpoints.reduce((n, each) => n + each.requests, 0);
    const failures = endpoints.reduce((n, each) => n + each.failures, 0);
    lines.push(element("span", {}, `${number.format(requests)} requests`));
    if (failures) lines.push(element("span", { class: "bad" }, `${number.format(failures)} failed`));
  } else {
    lines.push(element("span", {}, `${number.format(requestsOf(route))} requests`));
  }
  return element("div", { class: `stage ${stage.stage}` },
    element("span", { class: "kind" }, stage.stage), element("b", {}, stage.name), ...lines);
}

function caches(now) {
  const names = [...new Set(now.routes.flatMap((route) => route.chain).filter((s) => s.stage === "cache").map((s) => s.name))];
  table("caches", ["cache", "hit ratio", "hits", "stale", "misses", "passed"], names.map((name) => {
    const cache = now.caches[name] ?? {}, total = sum(cache);
    const passed = (cache.bypass ?? 0) + (cache.method ?? 0);
    return [name, share(hitsOf(cache), total - passed), number.format(cache.hit ?? 0), number.format(cache["stale-hit"] ?? 0),
      number.format(total - passed - hitsOf(cache)), number.format(passed)];
  }), "No caches are configured.");
}

function replace(id, ...children) {
  $(id).replaceChildren(...children);
}

function table(id, heads, rows, none) {
  if (!rows.length) return replace(id, element("p", {}, none));
  const cell = (value) => (Array.isArray(value) ? element("td", { class: value[1] }, value[0]) : element("td", {}, value));
  replace(id, element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell))))));
}

async function configuration(now) {
  $("purging").hidden = !Object.keys(now.caches).length && !now.routes.some((route) => route.chain.some((s) => s.stage === "cache"));
  $("yaml").textContent = JSON.stringify(await ask("/config"), null, 2);
}

function told(story) {
  const lines = [`${story.request.method} ${story.request.url}`, `route ${story.route ?? "none"}`];
  for (const stage of story.stages) {
    lines.push(`${stage.stage} ${stage.name}`);
    if (stage.stage === "cache") {
      lines.push(`  ${stage.outcome}`, ...stage.selecting.map((read) => `  selected by ${read.accessor}(${read.argument}) = ${JSON.stringify(read.value)}`));
      if (stage.advice) lines.push(`  to be a hit: ${stage.advice}`);
    } else if (stage.stage === "filter") {
      for (const step of stage.steps) {
        lines.push(`  ${step.step}: ${step.verdict} (${step.remembered ? "remembered" : `${step.microseconds} µs`})`);
        lines.push(...step.read.map((read) => `    read ${read.accessor}(${read.argument}): ${JSON.stringify(read.value)}`));
        lines.push(...step.wrote.map((edit) => `    wrote ${edit}`));
      }
      if (stage.failure) lines.push(`  failed: ${stage.failure}`);
    } else {
      lines.push(`  ${stage.status ?? "no answer"}`);
    }
  }
  return [...lines, `response ${story.response.status}`, ...story.warnings.map((warning) => `warning: ${warning}`)].join("\n");
}

$("explain").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("story").hidden = false;
  $("story").textContent = "…";
  try {
    const question = { method: "GET", url: $("url").value, headers: [] };
    $("story").textContent = told(await ask("/explain", { method: "POST", body: JSON.stringify(question) }));
  } catch (error) {
    $("story").textContent = error.message;
  }
});

$("what").addEventListener("change", () => {
  $("which").hidden = $("which").disabled = $("what").value === "all";
});

$("purge").addEventListener("submit", async (event) => {
  event.preventDefault();
  const what = $("what").value, which = $("which").value;
  const wanted = { [what]: what === "all" ? true : [which], soft: $("soft").checked };
  if (what === "all" && !confirm("Purge everything in all caches?")) return;
  try {
    const done = await ask("/purge", { method: "POST", body: JSON.stringify(wanted) });
    $("purged").textContent = `Purged ${what === "all" ? "everything" : which} in ${done.caches.join(", ") || "no cache"}.`;
  } catch (error) {
    $("purged").textContent = error.message;
  }
});

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value);
  refresh();
});

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", paused);
  $("pause").textContent = paused ? "Go on" : "Pause";
  if (!paused) refresh();
});

document.addEventListener("visibilitychange", () => { if (!document.hidden && !paused) refresh(); });
refresh();
