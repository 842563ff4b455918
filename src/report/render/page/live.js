// The page of a run that goes on: events come from lab, and the report replaces the page at the end.

const run = { planned: 0, made: 0, begun: null, passed: 0, failed: 0, rounds: [], stacks: [] };

const show = (id, text) => {
  document.getElementById(id).textContent = text;
};

const approximate = (seconds) =>
  seconds < 120 ? `about ${Math.max(1, Math.ceil(seconds / 10)) * 10} s` : `about ${Math.round(seconds / 60)} min`;

const showProgress = () => {
  const planned = Math.max(run.planned, run.made);
  const bar = document.getElementById("progress");
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
  const head = ["stack", "rounds", "req/s", "p99", "CPU/req"].map((text) => element("th", { scope: "col" }, text));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((text) => element("td", {}, text))));
  return element("table", {}, element("caption", {}, "medians over the valid rounds so far"),
    element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
};

const showLoads = () => {
  const holder = document.getElementById("loads");
  const loads = [...new Set(run.rounds.map((round) => round.load))];
  const width = holder.clientWidth;
  const drawing = new Drawing({ stacks: run.stacks }, new Set(), width);
  holder.replaceChildren(...loads.map((load) => {
    const charts = [["throughput", "throughput_per_s", "Throughput"], ["cpu_per_request", "cpu_per_request_us", "CPU per request"]];
    const drawn = charts.flatMap(([metric, key, title]) => {
      const chart = pointsOf(load, metric, key);
      if (chart.stacks.length === 0) return [];
      return [element("h4", {}, title), element("div", { class: "plot" }, drawing.draw(chart, `${title} under ${load}`))];
    });
    return element("div", {}, element("h3", {}, load), speedTable(load), ...drawn);
  }));
};

const handlers = {
  // The events begin again after an interruption of the connection.
  "run-started": (event) => {
    Object.assign(run, { planned: 0, made: 0, begun: performance.now(), passed: 0, failed: 0, rounds: [], stacks: [] });
    document.getElementById("failures").replaceChildren();
    show("run", `run ${event.run} · ${event.scenario}`);
  },
  "preparing": (event) => show("activity", event.message),
  "stack-starting": (event) => show("state", `checking ${event.stack}`),
  "stack-unavailable": (event) => addFailure(`${event.stack} is unavailable: ${event.missing}`),
  "stack-failed": (event) => addFailure(`${event.stack} could not run: ${event.error}`),
  "check-ended": (event) => {
    run[event.passed ? "passed" : "failed"] += 1;
    show("checks", `${run.passed} passed, ${run.failed} failed`);
    if (event.passed) return;
    const findings = (event.findings ?? []).map((one) => `${one.field}: expected ${one.expected}, observed ${one.observed}`);
    addFailure(`${event.check} on ${event.stack}`, [...findings, ...(event.error ? [event.error] : [])]);
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
    if (!run.stacks.includes(event.stack)) run.stacks.push(event.stack);
    showProgress();
    showLoads();
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

const addFailure = (text, details = []) => {
  const item = element("li", {}, text);
  if (details.length > 0) item.append(element("pre", {}, details.join("\n")));
  document.getElementById("failures").append(item);
};

const source = new EventSource("/events");
source.onmessage = (message) => {
  const event = JSON.parse(message.data);
  handlers[event.event]?.(event, source);
};
source.onerror = () => show("activity", "lab does not answer any more");
document.documentElement.dataset.ready = "0";
