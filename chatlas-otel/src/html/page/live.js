// The spans of a running program, as they start and end.
/** The maximum number of spans in the page. Beyond it, the oldest traces are removed. */
const MAX_SPANS = 200_000;

function follow() {
  const events = new EventSource("events");
  const status = (className, label) => { $("written").className = className; $("written").textContent = label; };
  status("", "Connecting…");
  events.onopen = () => status("live", "Live");
  events.onerror = () => status("ended", "Not connected to the program");
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => { waiting = false; limit(); drawAll(); document.documentElement.dataset.live = String(ordered.length); }, 100);
  };
  events.addEventListener("span", (event) => { addSpan(JSON.parse(event.data)); soon(); });
  events.addEventListener("dropped", (event) => { head.dropped = JSON.parse(event.data); soon(); });
  events.addEventListener("end", () => { events.close(); status("ended", "The program has ended"); });
  setInterval(grow, 500);
}

/** Lets the bars of running spans grow. */
function grow() {
  const running = ordered.filter((trace) => trace.running);
  if (!running.length || $("written").className !== "live") return;
  running.forEach((trace) => changed.add(trace));
  update();
  paintList();
  if (state.trace?.running) redrawTrace();
}

function limit() {
  let spans = 0;
  for (const trace of traces.values()) spans += trace.byId.size;
  for (const [id, trace] of traces) {
    if (spans <= MAX_SPANS) return;
    spans -= trace.byId.size;
    traces.delete(id);
    feedback = feedback.filter((item) => item.trace !== id);
  }
}
