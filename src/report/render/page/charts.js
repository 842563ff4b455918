// Charts, drawn by Observable Plot from the page's data.

const threeDigits = (value) => {
  const size = Math.abs(value);
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
};
const grouped = (value) => Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, " ");
const micros = (us) =>
  us < 999.5 ? `${threeDigits(us)} µs` : us < 999500 ? `${threeDigits(us / 1e3)} ms` : `${threeDigits(us / 1e6)} s`;
const bytes = (size) => {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (size >= 999.5 && unit + 1 < units.length) {
    size /= 1024;
    unit += 1;
  }
  return `${threeDigits(size)} ${units[unit]}`;
};
// The same on an axis, whose ticks are round.
const short = (format) => (value) => format(value).replace(/\.0+(?= )/, "").replace(/(\.\d*[1-9])0+(?= )/, "$1");
const signed = (value) => `${value > 0 ? "+" : ""}${value.toFixed(1)} %`;

// 1 / (1 - quantile) at the marks of a scale of nines.
const TAILS = [2, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7];
const COLOURS = 10;
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];

const svgElement = (name, attributes) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};

// The keyboard's way through the values of a chart: one stop of Tab, from which arrows lead from value to value. The chart shows
// the same tooltip as under the mouse, and screen readers read it as the text of a slider.
class ChartCursor {
  // `targets` have a position in the units of the scales, a title and the name of their stack.
  constructor(drawn, svg, targets, label) {
    const [x, y] = ["x", "y"].map((name) => {
      const scale = drawn.scale(name);
      return (value) => scale.apply(value) + (scale.bandwidth ?? 0) / 2;
    });
    this.svg = svg;
    this.targets = targets.map((target) => ({ ...target, x: x(target.x), y: y(target.y) }));
    this.position = 0;
    this.mark = svgElement("circle", {
      class: "cursor", r: 8, tabindex: 0, role: "slider", "aria-label": `values of ${label}`, "aria-valuemin": 1, "aria-valuemax": targets.length,
    });
    this.mark.addEventListener("keydown", (event) => this.press(event));
    this.mark.addEventListener("focus", () => this.show());
    this.mark.addEventListener("blur", () => this.hide());
    svg.append(this.mark);
    // A live page moves the cursor of a chart that it draws again.
    this.mark.chartCursor = this;
    this.move(0);
  }

  move(position) {
    this.position = Math.min(Math.max(position, 0), this.targets.length - 1);
    const { x, y, title } = this.targets[this.position];
    const values = { cx: x, cy: y, "aria-valuenow": this.position + 1, "aria-valuetext": title.replaceAll("\n", ", ") };
    for (const [key, value] of Object.entries(values)) this.mark.setAttribute(key, value);
  }

  // The value of the next or the last stack that is nearest to this one.
  ofOtherStack(step) {
    const stacks = [...new Set(this.targets.map((target) => target.stack))];
    const here = this.targets[this.position];
    const stack = stacks[stacks.indexOf(here.stack) + step];
    const candidates = [...this.targets.keys()].filter((index) => this.targets[index].stack === stack);
    const distance = (index) => Math.abs(this.targets[index].x - here.x);
    return candidates.reduce((best, index) => (distance(index) < distance(best) ? index : best), candidates[0] ?? this.position);
  }

  press(event) {
    const moves = {
      ArrowRight: () => this.position + 1,
      ArrowLeft: () => this.position - 1,
      ArrowDown: () => this.ofOtherStack(1),
      ArrowUp: () => this.ofOtherStack(-1),
      Home: () => 0,
      End: () => this.targets.length - 1,
    };
    if (event.key === "Escape") this.hide();
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.move(moves[event.key]());
    this.show();
  }

  show() {
    const { x, y } = this.targets[this.position];
    const at = new DOMPoint(x, y).matrixTransform(this.svg.getScreenCTM());
    this.svg.dispatchEvent(new PointerEvent("pointermove", { pointerType: "mouse", clientX: at.x, clientY: at.y }));
  }

  hide() {
    this.svg.dispatchEvent(new PointerEvent("pointerleave", { pointerType: "mouse" }));
  }
}

class Drawing {
  constructor(data, hidden, width) {
    this.data = data;
    this.hidden = hidden;
    this.width = width;
  }

  isShown(stack) {
    return !this.hidden.has(stack);
  }

  colour(stack) {
    return `var(--c${Math.max(0, this.data.stacks.indexOf(stack)) % COLOURS})`;
  }

  dash(stack) {
    return DASHES[Math.floor(Math.max(0, this.data.stacks.indexOf(stack)) / COLOURS) % DASHES.length];
  }

  // `targets` are what the keyboard leads to; without them the chart is one image.
  plot(options, label, targets = []) {
    const drawn = Plot.plot({
      width: this.width,
      style: { background: "transparent", color: "var(--text)", fontSize: "12px", fontFamily: "inherit" },
      ...options,
    });
    const svg = drawn.matches("svg") ? drawn : [...drawn.querySelectorAll("svg")].pop();
    // Labels of groups, which have no role, would be faults.
    for (const group of svg.querySelectorAll("[aria-label]")) group.removeAttribute("aria-label");
    svg.setAttribute("aria-label", `${label}. The table below has the figures.`);
    svg.setAttribute("role", targets.length > 0 ? "group" : "img");
    if (targets.length > 0) {
      for (const child of svg.children) child.setAttribute("aria-hidden", "true");
      new ChartCursor(drawn, svg, targets, label);
    }
    return drawn;
  }

  // The domain of an axis that the charts of several runs share. That of a single chart fits its own marks.
  shared(peers, values) {
    return peers.length > 1 ? { domain: [Math.min(...values), Math.max(...values)] } : {};
  }

  shownOf(peers, key) {
    return peers.flatMap((chart) => chart[key].filter((one) => this.isShown(one.stack)));
  }

  // The widest label that leaves room for the figures.
  nameRoom(names) {
    const longest = Math.max(...names.map((name) => name.length));
    return Math.min(this.width * 0.36, longest * 6.7 + 14);
  }

  shortened(name, room) {
    const letters = Math.floor((room - 14) / 6.7 + 0.01);
    return name.length > letters ? `${name.slice(0, Math.max(1, letters - 1))}…` : name;
  }

  // The end of a name that starts as others do.
  endOf(name, room) {
    const letters = Math.max(2, Math.floor((room - 14) / 6.7 + 0.01));
    return name.length > letters ? `…${name.slice(1 - letters)}` : name;
  }

  points(chart, label, peers) {
    const format = chart.metric === "throughput" ? grouped : micros;
    const stacks = chart.stacks.filter((one) => this.isShown(one.stack) && one.rounds.length > 0);
    const rounds = stacks.flatMap(({ stack, rounds }) => rounds.map((round) => ({ stack, ...round })));
    const others = this.shownOf(peers, "stacks").filter((one) => one.rounds.length > 0);
    const values = others.flatMap((one) => one.rounds.map((round) => round.value));
    const name = new Map(stacks.map(({ stack, rank }) => [stack, rank ? `${rank}  ${stack}` : stack]));
    const marginLeft = this.nameRoom([...name.values()]);
    const isWide = Math.max(...values) > 20 * Math.min(...values) && chart.metric !== "throughput";
    const bounds = others.flatMap((one) => [...(one.interval ?? []), ...(one.limit === null ? [] : [one.limit])]);
    const reference = stacks.find((one) => one.is_reference && one.median !== null);
    const limits = stacks.filter((one) => one.limit !== null);
    const title = (one) =>
      [
        one.stack,
        `median ${one.median === null ? "none" : format(one.median)}`,
        one.interval ? `interval ${format(one.interval[0])} … ${format(one.interval[1])}` : "too few rounds for an interval",
        one.rank ? `rank ${one.rank}` : "no rank",
      ].join("\n");
    const measured = stacks.filter((one) => one.median !== null);
    return this.plot({
      height: stacks.length * this.rowHeight(stacks.length) + 50,
      marginLeft,
      marginRight: 24,
      x: {
        type: isWide ? "log" : "linear", zero: !isWide, nice: !isWide, grid: true, label: null, tickFormat: short(format),
        ticks: Math.max(3, Math.floor((this.width - marginLeft) / 90)),
        ...this.shared(peers, isWide ? [...values, ...bounds] : [0, ...values, ...bounds]),
      },
      y: { domain: stacks.map((one) => one.stack), label: null, tickSize: 0, tickFormat: (stack) => this.shortened(name.get(stack), marginLeft) },
      marks: [
        Plot.ruleX(reference ? [reference.median] : [], { stroke: "var(--quiet)", strokeDasharray: "3 3" }),
        Plot.dot(rounds, {
          x: "value", y: "stack", r: 3, stroke: (round) => this.colour(round.stack), fill: (round) => (round.is_valid ? this.colour(round.stack) : "none"),
          fillOpacity: 0.45, strokeOpacity: 0.7,
        }),
        Plot.ruleY(stacks.filter((one) => one.interval), { x1: (one) => one.interval[0], x2: (one) => one.interval[1], y: "stack", strokeWidth: 2.5, stroke: "var(--text)" }),
        Plot.dot(measured, { x: "median", y: "stack", r: 4.5, fill: "var(--text)", stroke: "var(--ground)" }),
        Plot.dot(limits, { x: "limit", y: "stack", symbol: "triangle", r: 6, stroke: "var(--bad)", fill: "var(--bad)" }),
        Plot.tip(measured, Plot.pointer({ x: "median", y: "stack", title, maxRadius: 60, fill: "var(--panel)", stroke: "var(--line)" })),
      ],
    }, label, measured.map((one) => ({ x: one.median, y: one.stack, stack: one.stack, title: title(one) })));
  }

  percentiles(chart, label, peers) {
    const panels = [["response", "Response time, from the scheduled instant"], ["service", "Service time, from the send"]];
    const made = element("div");
    for (const [times, heading] of panels) {
      const curves = chart.curves.filter((curve) => curve.times === times && this.isShown(curve.stack));
      if (curves.length === 0) continue;
      const points = curves.flatMap(({ stack, points }) => points.map(([tail, us]) => ({ stack, tail, us: Math.max(us, 1) })));
      const others = this.shownOf(peers, "curves").filter((curve) => curve.times === times).flatMap((curve) => curve.points);
      const most = Math.max(...points.map((point) => point.tail));
      const title = (point) => `${point.stack}\n${percentileName(point.tail)}  ${micros(point.us)}`;
      made.append(element("h4", {}, heading), this.key(curves.map(({ stack }) => [stack, stack, this.dash(stack)])));
      made.append(this.plot({
        height: 300,
        marginLeft: 60,
        marginRight: 24,
        // The logarithm is taken here: a logarithmic scale would leave out the labels of some marks.
        x: {
          label: null, ticks: TAILS.filter((tail) => tail >= points[0].tail && tail <= most).map(Math.log10), tickFormat: (nines) => percentileName(10 ** nines), grid: true,
          ...this.shared(peers, others.map(([tail]) => Math.log10(tail))),
        },
        y: { type: "log", label: null, tickFormat: short(micros), ticks: 5, grid: true, ...this.shared(peers, others.map(([, us]) => Math.max(us, 1))) },
        marks: [
          ...curves.map((curve) => Plot.line(curve.points, {
            x: (point) => Math.log10(point[0]), y: (point) => Math.max(point[1], 1), stroke: this.colour(curve.stack), strokeDasharray: this.dash(curve.stack), strokeWidth: 1.8,
          })),
          Plot.tip(points, Plot.pointer({ x: (point) => Math.log10(point.tail), y: "us", title, fill: "var(--panel)", stroke: "var(--line)" })),
        ],
      }, `${label}: ${heading}`, points.map((point) => ({ x: Math.log10(point.tail), y: point.us, stack: point.stack, title: title(point) }))));
    }
    return made;
  }

  // The names of a few lines; those of many are beside the switches.
  key(names) {
    const key = element("ul", { class: "key" });
    for (const [name, stack, dash] of names.length > 12 ? [] : names) {
      const swatch = element("span", { class: "swatch" });
      swatch.style.color = this.colour(stack);
      swatch.style.borderTopStyle = dash ? "dashed" : "solid";
      key.append(element("li", {}, swatch, ` ${name}`));
    }
    return key;
  }

  rowHeight(rows) {
    return rows <= 6 ? 34 : 24;
  }

  ramp(chart, label, peers) {
    const ramps = chart.ramps.filter((one) => this.isShown(one.stack));
    const others = this.shownOf(peers, "ramps").flatMap((one) => one.rates);
    const rates = ramps.flatMap(({ stack, rates }) => rates.map((rate) => ({ stack, ...rate })));
    const made = element("div");
    const most = Math.max(...others.map((rate) => rate.offered_per_s));
    made.append(
      element("h4", {}, "Answered per second, by what was offered"),
      this.key(ramps.map(({ stack }) => [stack, stack, this.dash(stack)])),
    );
    made.append(this.plot({
      height: 320,
      marginLeft: 60,
      marginRight: 24,
      x: { label: null, grid: true, tickFormat: grouped, ticks: Math.max(3, Math.floor(this.width / 110)), ...this.shared(peers, [0, most]) },
      y: { label: null, grid: true, tickFormat: grouped, zero: true, ...this.shared(peers, [0, most, ...others.map((rate) => rate.answered_per_s)]) },
      marks: [
        Plot.line([[0, 0], [most, most]], { stroke: "var(--quiet)", strokeDasharray: "3 3" }),
        ...ramps.map((one) => Plot.line(one.rates, { x: "offered_per_s", y: "answered_per_s", stroke: this.colour(one.stack), strokeDasharray: this.dash(one.stack), strokeWidth: 1.8, marker: one.rates.length < 30 ? "dot" : "none" })),
        Plot.tip(rates, Plot.pointer({ x: "offered_per_s", y: "answered_per_s", title: rampTitle, fill: "var(--panel)", stroke: "var(--line)" })),
      ],
    }, label, rates.map((rate) => ({ x: rate.offered_per_s, y: rate.answered_per_s, stack: rate.stack, title: rampTitle(rate) }))));
    made.append(...this.errors(ramps, label, peers, others));
    return made;
  }

  errors(ramps, label, peers, others) {
    const classes = [...new Set(ramps.flatMap((one) => one.rates.flatMap((rate) => Object.keys(rate.errors_per_s))))].sort();
    const failing = ramps.filter((one) => one.rates.some((rate) => Object.keys(rate.errors_per_s).length > 0));
    if (classes.length === 0) return [element("p", { class: "quiet" }, "No errors at any rate.")];
    const shown = failing.slice(0, 12);
    const areas = shown.flatMap(({ stack, rates }) => rates.flatMap((rate) =>
      classes.map((name) => ({ stack, class: name, offered: rate.offered_per_s, errors: rate.errors_per_s[name] ?? 0 }))));
    const made = [element("h4", {}, "Errors per second by class, by what was offered")];
    made.push(this.plot({
      height: shown.length * 90 + 60,
      marginLeft: 60,
      marginRight: 110,
      x: { label: null, tickFormat: grouped, ticks: Math.max(3, Math.floor(this.width / 110)), ...this.shared(peers, others.map((rate) => rate.offered_per_s)) },
      y: { label: null, tickFormat: grouped, ticks: 3, grid: true, ...this.shared(peers, [0, ...others.map(allErrors)]) },
      fy: { label: null, domain: shown.map((one) => one.stack), tickFormat: (stack) => this.shortened(stack, 110) },
      color: { domain: classes, range: classes.map((_, index) => `var(--c${index % COLOURS})`), legend: true },
      marks: [
        Plot.areaY(areas, { x: "offered", y: "errors", fill: "class", fy: "stack", title: "class" }),
        Plot.ruleY([0], { stroke: "var(--line)" }),
      ],
    }, `${label}: errors`));
    if (failing.length > shown.length) {
      made.push(element("p", { class: "quiet" }, `Thinned: ${shown.length} of ${failing.length} stacks with errors; switch stacks off to see others.`));
    }
    return made;
  }

  memory(chart, label, peers) {
    const curves = chart.curves.filter((one) => this.isShown(one.stack));
    const points = curves.flatMap(({ stack, role, points }) => points.map(([at, held]) => ({ stack, role, at, held })));
    const hasRoles = curves.some((one) => one.role === "proxy");
    const name = (one) => (hasRoles ? `${one.stack}, ${one.role}` : one.stack);
    const others = this.shownOf(peers, "curves").flatMap((one) => one.points);
    const most = Math.max(1, ...others.map(([, held]) => held));
    const unit = 1024 ** Math.floor(Math.log2(most) / 10);
    const title = (point) => `${name(point)}\n${point.at.toFixed(1)} s  ${bytes(point.held)}`;
    const dash = (one) => (one.role === "proxy" ? "5 3" : this.dash(one.stack));
    const drawn = this.plot({
      height: 280,
      marginLeft: 70,
      marginRight: 24,
      x: { label: null, tickFormat: (at) => `${at} s`, ticks: Math.max(3, Math.floor(this.width / 110)), ...this.shared(peers, others.map(([at]) => at)) },
      // In steps of a binary unit, which are round on its axis.
      y: { label: null, tickFormat: (held) => short(bytes)(held * unit), transform: (held) => held / unit, grid: true, zero: true, ticks: 5, ...this.shared(peers, [0, most / unit]) },
      marks: [
        ...curves.map((one) => Plot.line(one.points, { x: "0", y: "1", stroke: this.colour(one.stack), strokeDasharray: dash(one), strokeWidth: 1.8 })),
        Plot.tip(points, Plot.pointer({ x: "at", y: "held", title, fill: "var(--panel)", stroke: "var(--line)" })),
      ],
    }, label, points.map((point) => ({ x: point.at, y: point.held / unit, stack: name(point), title: title(point) })));
    return element("div", {}, this.key(curves.map((one) => [name(one), one.stack, dash(one)])), drawn);
  }

  cost(chart, label, peers) {
    const costs = chart.costs.filter((one) => this.isShown(one.stack));
    const stacks = [...new Set(costs.map((one) => one.stack))];
    const marginLeft = this.nameRoom(stacks);
    const roles = ["proxy", "server"].filter((role) => costs.some((one) => one.role === role));
    const colours = { proxy: "var(--c1)", server: "var(--c0)" };
    const title = (one) => `${one.stack}, ${one.role}: ${micros(one.cpu_per_request_us)}`;
    const totals = peers.flatMap((peer) => {
      const totals = new Map();
      for (const one of this.shownOf([peer], "costs")) totals.set(one.stack, (totals.get(one.stack) ?? 0) + one.cpu_per_request_us);
      return [...totals.values()];
    });
    // The middle of each part of a bar.
    const targets = stacks.flatMap((stack) => {
      let end = 0;
      return roles.flatMap((role) => costs.filter((one) => one.stack === stack && one.role === role)).map((one) => {
        end += one.cpu_per_request_us;
        return { x: end - one.cpu_per_request_us / 2, y: stack, stack, title: title(one) };
      });
    });
    return this.plot({
      height: stacks.length * this.rowHeight(stacks.length) + 50,
      marginLeft,
      marginRight: 24,
      x: { label: null, grid: true, tickFormat: short(micros), ticks: Math.max(3, Math.floor((this.width - marginLeft) / 90)), ...this.shared(peers, [0, ...totals]) },
      y: { label: null, domain: stacks, tickSize: 0, tickFormat: (stack) => this.shortened(stack, marginLeft) },
      color: { domain: roles, range: roles.map((role) => colours[role]), legend: true },
      marks: [
        Plot.barX(costs, { x: "cpu_per_request_us", y: "stack", fill: "role", order: roles, insetTop: 4, insetBottom: 4, title, tip: { fill: "var(--panel)", stroke: "var(--line)" } }),
        Plot.ruleX([0], { stroke: "var(--line)" }),
      ],
    }, label, targets);
  }

  gate(chart, label, peers) {
    const changes = chart.changes.filter((one) => this.isShown(one.stack));
    const marginLeft = this.nameRoom(changes.map((one) => one.name));
    const colours = { good: "var(--good)", bad: "var(--bad)", unsure: "var(--unsure)" };
    const known = changes.filter((one) => one.interval);
    const bounds = this.shownOf(peers, "changes").flatMap((one) => [one.margin, ...(one.interval ?? [])]);
    const title = (one) => `${one.name}\n${signed(one.interval[0])} … ${signed(one.interval[1])}\nmargin ${signed(one.margin)}`;
    return this.plot({
      height: changes.length * this.rowHeight(changes.length) + 50,
      marginLeft,
      marginRight: 24,
      x: { label: null, grid: true, tickFormat: signed, ticks: Math.max(3, Math.floor((this.width - marginLeft) / 90)), ...this.shared(peers, [0, ...bounds]) },
      y: { label: null, domain: changes.map((one) => one.name), tickSize: 0, tickFormat: (name) => this.endOf(name, marginLeft) },
      marks: [
        Plot.ruleX([0], { stroke: "var(--quiet)" }),
        Plot.tickX(changes, { x: "margin", y: "name", stroke: "var(--bad)", strokeWidth: 3 }),
        Plot.ruleY(known, { x1: (one) => one.interval[0], x2: (one) => one.interval[1], y: "name", stroke: (one) => colours[one.tone], strokeWidth: 5 }),
        Plot.tip(known, Plot.pointer({ x: (one) => one.interval[1], y: "name", title, fill: "var(--panel)", stroke: "var(--line)" })),
      ],
    }, label, known.map((one) => ({ x: one.interval[1], y: one.name, stack: one.name, title: title(one) })));
  }

  // `peers` are the charts of the same kind and load in all runs of the page, this one included: they share their scales.
  draw(chart, label, peers = [chart]) {
    const isEmpty = (list) => list.every((one) => !this.isShown(one.stack));
    const measured = chart.stacks?.filter((one) => one.rounds.length > 0);
    const list = measured ?? chart.curves ?? chart.ramps ?? chart.costs ?? chart.changes;
    if (isEmpty(list)) return element("p", { class: "quiet" }, "All stacks of this chart are switched off.");
    return this[chart.kind](chart, label, peers);
  }
}

const percentileName = (tail) => `p${Number((100 - 100 / tail).toFixed(5))}`;

const allErrors = (rate) => Object.values(rate.errors_per_s).reduce((sum, perSecond) => sum + perSecond, 0);

const rampTitle = (rate) =>
  [
    rate.stack,
    `offered ${grouped(rate.offered_per_s)}/s`,
    `answered ${grouped(rate.answered_per_s)}/s`,
    ...Object.entries(rate.errors_per_s).map(([name, perSecond]) => `${name} ${threeDigits(perSecond)}/s`),
  ].join("\n");
