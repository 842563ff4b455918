// The page of a run that goes on: events come from lab, each round brings a new report, and the last one replaces the page.

const LATEST_ROUNDS = 8;

const newRun = () => ({ planned: 0, made: 0, begun: performance.now(), rounds: [] });
let run = newRun();

const show = (id, text) => {
  document.getElementById(id).textContent = text;
};

const approximate = (seconds) =>
  seconds < 120 ? `about ${Math.max(1, Math.ceil(seconds / 10)) * 10} s` : `about ${Math.round(seconds / 60)} min`;

const showProgress = () => {
  const planned = Math.max(run.planned, run.made);
  const bar = document.getElementById("bar");
  bar.max = Math.max(planned, 1);
  bar.value = run.made;
  const ended = run.rounds.length;
  const left = ended > 0 ? ((performance.now() - run.begun) / 1000 / ended) * (planned - run.made) : null;
  const estimate = left === null || planned === run.made ? "" : `, ${approximate(left)} left`;
  show("state", `round ${run.made} of ${planned}${estimate}`);
};

const cell = (value, format) => (typeof value === "number" ? format(value) : "–");

const remarkOn = (round) => {
  const reason = round.error ?? (round.issues ?? []).join("; ");
  if (round.outcome !== "measured") return `could not run: ${reason}`;
  return round.valid ? reason : `void: ${reason}`;
};

const showLatestRounds = () => {
  const rows = run.rounds.slice(-LATEST_ROUNDS).reverse().map((round) => [
    round.stack, round.load, cell(round.throughput_per_s, grouped), cell(round.p99_us, micros),
    cell(round.cpu_per_request_us, micros), String(round.block + 1), remarkOn(round),
  ]);
  const header = ["stack", "load", "req/s", "p99", "CPU/req", "block", "remarks"];
  document.getElementById("latest-rounds").replaceChildren(textTable("the latest rounds", header, rows));
};

// Parts of the report that keep their name when it is replaced: by their section, figure and caption, and their number among those.
const namedParts = (selector) => {
  const counts = new Map();
  const parts = new Map();
  for (const part of document.getElementById("report").querySelectorAll(selector)) {
    const section = part.closest("section")?.querySelector("h2").id;
    const caption = part.id || part.querySelector(":scope > summary, :scope > caption")?.textContent;
    const name = [section, part.closest("figure")?.id, part.localName, caption].join(" ");
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    parts.set(`${name} ${count}`, part);
  }
  return parts;
};

const FOCUSABLE = "a, button, input, summary, [tabindex]";

// The element with the focus: its position within the innermost part that has a name.
const focusedPosition = () => {
  const focused = document.activeElement;
  for (const [name, part] of [...namedParts("details, figure, table, section")].reverse()) {
    if (!part.contains(focused)) continue;
    const index = [...part.querySelectorAll(FOCUSABLE)].indexOf(focused);
    return { name, index, value: focused.chartCursor?.position };
  }
  return null;
};

const restoreFocus = ({ name, index, value }) => {
  const part = namedParts("details, figure, table, section").get(name);
  const focused = part && [...part.querySelectorAll(FOCUSABLE)][index];
  if (value !== undefined) focused?.chartCursor?.move(value);
  focused?.focus({ preventScroll: true });
};

// The first part in the window, which stays where it is.
const partInView = () =>
  [...document.querySelectorAll("#report [id]")].find((part) => part.getBoundingClientRect().top >= 0);

// Shows a newer report, and leaves opened details, sorted tables, the focus and the scroll position as they are.
const replaceReport = (page) => {
  const opened = [...namedParts("details")].filter(([, part]) => part.open).map(([name]) => name);
  const sorted = [...namedParts("table.sortable")].flatMap(([name, table]) => {
    const column = [...table.tHead.rows[0].cells].findIndex((head) => head.hasAttribute("aria-sort"));
    return column < 0 ? [] : [{ name, column, direction: table.tHead.rows[0].cells[column].getAttribute("aria-sort") }];
  });
  const focus = focusedPosition();
  const inView = partInView();
  const top = inView?.getBoundingClientRect().top;
  DATA = dataOf(page);
  document.querySelector("header").replaceWith(page.querySelector("header"));
  document.getElementById("report").replaceWith(page.getElementById("report"));
  const details = namedParts("details");
  for (const name of opened) details.get(name)?.setAttribute("open", "");
  prepareReport();
  const tables = namedParts("table.sortable");
  for (const { name, column, direction } of sorted) {
    const table = tables.get(name);
    if (table?.tHead.rows[0].cells[column]) sortRows(table, column, direction);
  }
  if (focus) restoreFocus(focus);
  const moved = inView && document.getElementById(inView.id);
  if (moved) window.scrollBy({ top: moved.getBoundingClientRect().top - top, behavior: "instant" });
};

let isFetching = false;
let isOutdated = false;

// The page with the newest report; null once lab has ended, and then the page keeps what it shows.
const fetchPage = async () => {
  try {
    const response = await fetch("/update");
    return new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return null;
  }
};

// Shows the newest report, and once more if it was outdated in the meantime.
const updateReport = async () => {
  isOutdated = true;
  const dialog = document.getElementById("details");
  if (isFetching) return;
  isFetching = true;
  try {
    // Whoever reads the details of a check returns to the cell that opened them.
    while (isOutdated && !dialog.open) {
      isOutdated = false;
      const page = await fetchPage();
      if (page === null) return;
      if (dialog.open) isOutdated = true;
      else replaceReport(page);
    }
  } finally {
    isFetching = false;
  }
};

document.getElementById("details").addEventListener("close", () => {
  if (isOutdated) updateReport();
});

const handlers = {
  // The events begin again after an interruption of the connection.
  "run-started": () => {
    run = newRun();
  },
  "preparing": (event) => show("activity", event.message),
  "stack-starting": (event) => {
    show("state", `checking ${event.stack}`);
    updateReport();
  },
  "stack-unavailable": (event) => show("activity", `${event.stack} is unavailable: ${event.missing}`),
  "stack-failed": (event) => show("activity", `${event.stack} could not run: ${event.error}`),
  "rounds-planned": (event) => {
    [run.planned, run.made, run.begun] = [event.visits, event.made, performance.now()];
    run.rounds = [];
    showProgress();
    updateReport();
  },
  "more-rounds-planned": (event) => {
    run.planned += event.visits;
    showProgress();
  },
  "confirming": () => show("activity", "something failed the gate, and is measured once more"),
  "round-started": (event) => show("activity", `block ${event.block + 1}: ${event.load} on ${event.stack}`),
  "round-ended": (event) => {
    run.made += 1;
    run.rounds.push(event);
    showProgress();
    showLatestRounds();
    updateReport();
  },
  "run-ended": (event, source) => {
    source.close();
    show("state", event.outcome);
    // lab serves the report once it is written, and then ends.
    location.reload();
  },
  "run-interrupted": (event, source) => {
    source.close();
    show("state", `interrupted: the run ${event.run} can be resumed`);
  },
  "run-failed": (event, source) => {
    source.close();
    show("state", `the run has failed: ${event.error}`);
  },
};

const source = new EventSource("/events");
source.onmessage = (message) => {
  const event = JSON.parse(message.data);
  handlers[event.event]?.(event, source);
};
source.onerror = () => show("activity", "lab does not answer any more");
