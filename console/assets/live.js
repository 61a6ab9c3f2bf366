// The live tail: rows arrive as JSON and become text nodes, never markup.
"use strict";
(() => {
  const table = document.getElementById("tail");
  const body = table.tBodies[0];
  const status = document.getElementById("status");
  const waiting = document.getElementById("waiting");
  const pause = document.getElementById("pause");
  const most = 500;
  const seen = new Set();
  const held = [];
  let paused = false;
  let opened = Infinity; // what comes within a second was there before

  const cell = (row, text, className) => {
    const td = row.insertCell();
    td.textContent = text;
    if (className) td.className = className;
    return td;
  };

  const show = (e, fresh) => {
    const row = body.insertRow(0);
    if (fresh) row.className = "fresh";
    const link = document.createElement("a");
    link.href = e.link;
    const time = document.createElement("time");
    time.dateTime = e.time.replace(" ", "T") + "Z";
    time.textContent = e.time;
    link.append(time);
    cell(row, "", "time").append(link);
    const tag = document.createElement("span");
    tag.className = "tag " + e.tone;
    tag.textContent = e.outcome;
    cell(row, "").append(tag);
    const write = cell(row, e.method + " ", "nowrap");
    const answer = document.createElement("span");
    answer.textContent = e.status;
    if (e.failed) answer.className = "failed";
    write.append(answer);
    const where = cell(row, e.resource, "resource");
    if (e.detail) {
      const small = document.createElement("small");
      small.textContent = e.detail;
      where.append(small);
    }
    cell(row, e.tool, "minor");
    cell(row, e.rule, "minor");
    while (body.rows.length > most) body.deleteRow(-1);
  };

  const say = (text, state) => {
    status.textContent = text;
    status.dataset.state = state;
  };
  const count = () => say(paused ? `Paused, ${held.length} waiting` : "Following", paused ? "paused" : "open");

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Resume" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
    if (!paused) held.splice(0).forEach((e) => show(e, true));
    count();
  });

  say("Connecting", "connecting");
  const source = new EventSource(table.dataset.stream);
  source.addEventListener("open", () => {
    count();
    opened = performance.now();
    waiting.hidden = body.rows.length > 0;
  });
  source.addEventListener("error", () => {
    say(source.readyState === EventSource.CLOSED ? "Closed; reload to follow again" : "Connection lost, trying again", "lost");
  });
  source.addEventListener("message", (message) => {
    const e = JSON.parse(message.data);
    if (seen.has(e.id)) return;
    seen.add(e.id);
    waiting.hidden = true;
    if (paused) {
      held.push(e);
      if (held.length > most) held.shift();
      count();
      return;
    }
    show(e, performance.now() - opened > 1000);
  });
})();
