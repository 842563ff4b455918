// The page of a run that goes on: events come from lab, and the report replaces the page at the end.

const newRun = () => ({
  planned: 0,
  made: 0,
  begun: performance.now(),
  // By stack: why it cannot run, if it cannot.
  stacks: new Map(),
  // By check, then by stack: the event of its last result.
  checks: new Map(),
  rounds: [],
});
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

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) return null;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

const stackNames = () => [...run.stacks.keys()];

const plainTable = (caption, header, rows, name = "") => {
  const head = header.map((text) => element("th", { scope: "col" }, text));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell) => (cell instanceof Node ? cell : element("td", {}, cell)))));
  const table = element("table", { class: name }, element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  return element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, table);
};

const resultsOf = (stack) => [...run.checks.values()].map((results) => results.get(stack)).filter(Boolean);

const stackState = (stack) => {
  const reason = run.stacks.get(stack);
  if (reason !== null) return ["bad", reason];
  const results = resultsOf(stack);
  const passed = results.filter((result) => result.passed).length;
  if (results.length === 0) return ["neutral", "started"];
  return [passed === results.length ? "good" : "bad", `${passed} of ${results.length} checks passed so far`];
};

const showStacks = () => {
  document.getElementById("stack-states").replaceChildren(...stackNames().map((stack) => {
    const [tone, text] = stackState(stack);
    return element("li", {}, element("strong", {}, stack), " ", element("span", { class: `word ${tone}` }, text));
  }));
};

const checkCell = (result) => {
  const [name, mark, word] = !result ? ["not-run", "·", "not run"] : result.passed ? ["passed", "✓", "passed"] : ["failed", "✗", "failed"];
  return element("td", { class: name }, element("span", { "aria-hidden": "true" }, mark), element("span", { class: "visually-hidden" }, word));
};

const reasonsOf = (result) => [
  ...(result.findings ?? []).map((one) => `${one.field}: expected ${one.expected}, observed ${one.observed}`),
  ...(result.error ? [result.error] : []),
];

const showChecks = () => {
  const stacks = stackNames().filter((stack) => resultsOf(stack).length > 0);
  const results = stacks.flatMap(resultsOf);
  const failed = results.filter((result) => !result.passed);
  show("check-counts", `${results.length - failed.length} passed, ${failed.length} failed`);
  const rows = [...run.checks].map(([check, own]) => [element("th", { scope: "row" }, check), ...stacks.map((stack) => checkCell(own.get(stack)))]);
  document.getElementById("check-matrix").replaceChildren(plainTable("matrix of checks", ["check", ...stacks], rows, "matrix"));
  document.getElementById("failures").replaceChildren(...failed.map((result) =>
    element("li", {}, `${result.check} on ${result.stack}`, element("pre", {}, reasonsOf(result).join("\n")))));
};

// The rounds of a load as the points of a chart. Intervals and ranks come with the report.
const pointsOf = (load, metric, key) => {
  const rounds = run.rounds.filter((round) => round.load === load && typeof round[key] === "number");
  const stacks = [...new Set(rounds.map((round) => round.stack))].map((stack) => {
    const own = rounds.filter((round) => round.stack === stack);
    const valid = own.filter((round) => round.valid).map((round) => round[key]);
    return {
      stack, is_reference: false, rank: null, median: median(valid), interval: null, limit: null,
      rounds: own.map((round) => ({ block: round.block, value: round[key], is_valid: round.valid })),
    };
  });
  return { kind: "points", metric, stacks };
};

const speedTable = (load) => {
  const stacks = [...new Set(run.rounds.filter((round) => round.load === load).map((round) => round.stack))];
  const rows = stacks.map((stack) => {
    const own = run.rounds.filter((round) => round.load === load && round.stack === stack);
    const valid = own.filter((round) => round.valid);
    const cell = (key, format) => {
      const value = median(valid.map((round) => round[key]).filter((value) => typeof value === "number"));
      return value === null ? "–" : format(value);
    };
    return [stack, `${valid.length}/${own.length}`, cell("throughput_per_s", grouped), cell("p99_us", micros), cell("cpu_per_request_us", micros)];
  });
  return plainTable("medians over the valid rounds so far", ["stack", "rounds", "req/s", "p99", "CPU/req"], rows);
};

// A chart for each of the metrics that the rounds have: their name, their key in events, their title.
const chartsOf = (load, metrics, width) => {
  const drawing = new Drawing({ stacks: stackNames() }, new Set(), width);
  return metrics.flatMap(([metric, key, title]) => {
    const chart = pointsOf(load, metric, key);
    if (chart.stacks.length === 0) return [];
    return [element("h4", {}, title), element("div", { class: "plot" }, drawing.draw(chart, `${title} under ${load}`))];
  });
};

const SPEED = [["throughput", "throughput_per_s", "Throughput"], ["cpu_per_request", "cpu_per_request_us", "CPU per request"]];
const TIMES = [["p50", "p50_us", "Median of each round"], ["p99", "p99_us", "99th percentile of each round"]];

const showLoads = () => {
  const loads = [...new Set(run.rounds.map((round) => round.load))];
  const [speed, times] = ["loads", "times"].map((id) => document.getElementById(id));
  speed.replaceChildren(...loads.map((load) =>
    element("div", {}, element("h3", {}, load), speedTable(load), ...chartsOf(load, SPEED, speed.clientWidth))));
  times.replaceChildren(...loads.map((load) => element("div", {}, element("h3", {}, load), ...chartsOf(load, TIMES, times.clientWidth))));
};

const showDoubts = () => {
  const rows = run.rounds.flatMap((round) => {
    const effect = round.outcome !== "measured" ? "could not run" : round.valid ? "warning" : "void";
    const reasons = [...(round.issues ?? []), ...(round.error ? [round.error] : [])];
    return reasons.map((reason) => [round.stack, round.load, `block ${round.block + 1}`, effect, reason]);
  });
  if (rows.length === 0) return;
  document.getElementById("doubts").replaceChildren(plainTable("rounds in doubt", ["stack", "load", "round", "effect", "why"], rows));
};

const showFacts = (facts) => {
  document.getElementById("facts").replaceChildren(...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
};

const setStack = (stack, reason) => {
  run.stacks.set(stack, reason);
  showStacks();
};

const handlers = {
  // The events begin again after an interruption of the connection.
  "run-started": (event) => {
    run = newRun();
    document.getElementById("failures").replaceChildren();
    show("run", `run ${event.run} · ${event.scenario}`);
    showFacts([["run", event.run], ["scenario", event.scenario], ["files", event.folder], ["lab", event.lab]]);
  },
  "preparing": (event) => show("activity", event.message),
  "stack-starting": (event) => {
    show("state", `checking ${event.stack}`);
    setStack(event.stack, null);
  },
  "stack-unavailable": (event) => setStack(event.stack, `unavailable: ${event.missing}`),
  "stack-failed": (event) => setStack(event.stack, `could not run: ${event.error}`),
  "check-ended": (event) => {
    if (!run.checks.has(event.check)) run.checks.set(event.check, new Map());
    run.checks.get(event.check).set(event.stack, event);
    showStacks();
    showChecks();
  },
  "rounds-planned": (event) => {
    [run.planned, run.made, run.begun] = [event.visits, event.made, performance.now()];
    run.rounds = [];
    showProgress();
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
    if (!run.stacks.has(event.stack)) setStack(event.stack, null);
    showProgress();
    showLoads();
    showDoubts();
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
document.documentElement.dataset.ready = "0";
