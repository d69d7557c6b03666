// Keeps the page true: places what the gateway sends, lets ages grow, and says loudly when
// the gateway is not heard. It brings no words of its own. HTML that arrives was escaped by
// the gateway; it is parsed into a document that runs nothing, and only then placed.

const SILENT_MS = 5000;
const TRY_AGAIN_MS = 3000;
const DAY_MS = 86400000;

const body = document.body;
const at = (id) => document.getElementById(id);
const ages = JSON.parse(body.dataset.ages);
const language = document.documentElement.lang;
const timeOfDay = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
const dayAndTime = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

// The gateway's clock, carried on by this device's monotonic one: the device's own wall
// clock may be wrong, and an age must not be.
let said = { now: Number(body.dataset.now), at: performance.now() };
let heard = performance.now();
const now = () => said.now + performance.now() - said.at;

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function ago(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [, unit, text] = ages.find(([below]) => seconds < below) ?? ages[ages.length - 1];
  return text.replace("{n}", Math.floor(seconds / unit));
}

function tellTimes(root) {
  for (const time of root.querySelectorAll("time[data-age]")) write(time, ago(now() - Number(time.dataset.age)));
  for (const time of root.querySelectorAll("time[data-clock]")) {
    const ms = Number(time.dataset.clock);
    const sameDay = Math.abs(now() - ms) < DAY_MS && new Date(ms).getDate() === new Date(now()).getDate();
    write(time, (sameDay ? timeOfDay : dayAndTime).format(ms));
  }
}

// ---- finding a device

const find = at("find");

function filter() {
  const wanted = find.value.trim().toLowerCase();
  let found = 0;
  const cards = document.querySelectorAll(".device");
  find.parentElement.hidden = !wanted && cards.length <= Number(body.dataset.few);
  for (const card of cards) {
    card.hidden = !card.dataset.find.toLowerCase().includes(wanted);
    if (!card.hidden) found += 1;
  }
  if (wanted) at("fine").open = true;
  at("found-none").hidden = !wanted || found > 0;
}

// ---- placing what changed

function parse(html) {
  return new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
}

function place(event) {
  if (event.version !== document.documentElement.dataset.version) {
    location.reload(); // the gateway was upgraded: its page and this script go together
    return;
  }
  said = { now: event.now_ms, at: performance.now() };
  document.title = event.title;
  const coming = new Map();
  for (const [id, html] of Object.entries(event.parts ?? {})) {
    const fresh = parse(html);
    const shown = at(id);
    if (shown) shown.replaceWith(fresh);
    else coming.set(id, fresh);
  }
  const lists = Object.entries(event.lists ?? {});
  for (const [list, ids] of lists) {
    ids.forEach((id, position) => {
      const element = coming.get(id) ?? at(id);
      const there = at(list).children[position] ?? null;
      if (element && element !== there) at(list).insertBefore(element, there);
    });
  }
  for (const [list, ids] of lists) {
    const kept = new Set(ids);
    for (const element of [...at(list).children]) if (!kept.has(element.id)) element.remove();
  }
  for (const [id, ms] of Object.entries(event.seen ?? {})) {
    const time = at(id)?.querySelector("time[data-age]");
    if (time) time.dataset.age = ms;
  }
  tellTimes(document);
  filter();
}

// ---- hearing the gateway

function tellHearing() {
  const lost = performance.now() - heard > SILENT_MS;
  const live = at("live");
  live.classList.toggle("on", !lost);
  live.classList.toggle("off", lost);
  write(live, lost ? live.dataset.lost : live.dataset.live);
  body.classList.toggle("stale", lost);
  if (lost && at("lost").hidden && at("full").hidden) {
    at("lost").querySelector("time").dataset.clock = now() - (performance.now() - heard);
    tellTimes(at("lost"));
    at("lost").hidden = false;
  }
  if (!lost) at("lost").hidden = at("full").hidden = true;
}

let source;

function listen() {
  source = new EventSource("/events");
  source.onmessage = (message) => {
    heard = performance.now();
    place(JSON.parse(message.data));
    tellHearing();
  };
  source.onerror = async () => {
    // a cut line is tried again by the browser; a refusal is final, and ours to try again
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(listen, TRY_AGAIN_MS);
    const answer = await fetch("/events", { method: "HEAD" }).catch(() => null);
    at("full").hidden = answer?.status !== 503;
    if (!at("full").hidden) at("lost").hidden = true;
  };
}

filter();
find.addEventListener("input", filter);
addEventListener("pagehide", () => source.close()); // frees the place for another page
addEventListener("pageshow", (event) => event.persisted && location.reload());
setInterval(() => { tellTimes(document); tellHearing(); }, 1000);
tellTimes(document);
listen();
