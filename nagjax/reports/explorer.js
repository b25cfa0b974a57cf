// Draws what nagjax/reports/explorer.py wrote into the page. Text is set as text, never as HTML.
(function () {
  "use strict";
  const front = JSON.parse(document.getElementById("front").textContent);
  const members = front.members;
  if (!members.length) return;
  const by = (id) => document.getElementById(id);
  const [slider, exact] = [by("budget"), by("exact")];
  const SVG = "http://www.w3.org/2000/svg";
  const [W, H, LEFT, BOTTOM, TOP, RIGHT] = [560, 320, 52, 40, 10, 14];
  const low = members[0].at, high = members[members.length - 1].at;
  const logs = low > 0;
  const scale = (x) => (logs ? Math.log(x) : x);
  const from = scale(low), span = scale(high) - from || 1;
  const qualities = members.map((m) => m.quality);
  // Answers that are compared by quality less deviations need not rise in quality.
  const floor = Math.min(...qualities), height = Math.max(...qualities) - floor || 1;
  const xOf = (cost) => LEFT + ((W - LEFT - RIGHT) * (scale(cost) - from)) / span;
  const yOf = (quality) => H - BOTTOM - ((H - BOTTOM - TOP) * (quality - floor)) / height;

  function node(name, attributes, parent, text) {
    const one = document.createElementNS(SVG, name);
    for (const key in attributes) one.setAttribute(key, attributes[key]);
    if (text !== undefined) one.textContent = text;
    if (parent) parent.appendChild(one);
    return one;
  }

  // The answer to a budget: the costliest member within it, or the cheapest of all, which costs more.
  function within(budget) {
    let found = 0;
    for (let i = 0; i < members.length; i++) if (members[i].at <= budget * (1 + 1e-12)) found = i;
    return found;
  }

  function nearest(x) {
    let found = 0;
    for (let i = 1; i < members.length; i++)
      if (Math.abs(xOf(members[i].at) - x) < Math.abs(xOf(members[found].at) - x)) found = i;
    return found;
  }

  const svg = node("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${front.quality} by ${front.cost}` });
  function axes() {
    for (let i = 0; i <= 4; i++) {
      const quality = floor + (height * i) / 4, y = yOf(quality);
      node("line", { class: "grid", x1: LEFT, x2: W - RIGHT, y1: y, y2: y }, svg);
      node("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, svg, quality.toFixed(height < 4 ? 2 : 1));
      const at = from + (span * i) / 4, cost = logs ? Math.exp(at) : at, x = xOf(cost);
      node("text", { x: x, y: H - BOTTOM + 16, "text-anchor": i === 4 ? "end" : "middle" }, svg,
        String(Number(cost.toPrecision(3))));
    }
    node("text", { x: W - RIGHT, y: H - 6, "text-anchor": "end" }, svg, `${front.cost}, ${front.unit}`);
    node("text", { x: LEFT, y: H - 6 }, svg, `${front.quality}: up is better`);
  }
  axes();
  let path = `M${xOf(low)} ${yOf(qualities[0])}`;
  for (const m of members.slice(1)) path += `H${xOf(m.at)}V${yOf(m.quality)}`;
  node("path", { class: "line", d: path + `H${W - RIGHT}` }, svg);
  for (const m of members) node("circle", { class: "dot", r: 2, cx: xOf(m.at), cy: yOf(m.quality) }, svg);
  const now = node("line", { class: "now", y1: TOP, y2: H - BOTTOM }, svg);
  const dot = node("circle", { class: "dot", r: 6 }, svg);
  const ring = node("circle", { class: "hover", r: 8, visibility: "hidden" }, svg);
  const tip = node("title", {}, svg);
  by("stairs").appendChild(svg);

  function cell(row, text, kind) {
    const one = row.insertCell();
    if (kind) one.className = kind;
    one.textContent = text;
    return one;
  }

  function bars(m) {
    const place = by("bars"), table = document.createElement("table");
    const largest = Math.max(front.offset, ...m.parts, 1e-300);
    const line = (name, choice, value) => {
      const row = table.insertRow();
      cell(row, name);
      cell(row, choice);
      const bar = document.createElement("div");
      bar.className = "bar";
      bar.style.width = `${(100 * value) / largest}%`;
      row.insertCell().appendChild(bar);
      cell(row, `${Number(value.toPrecision(3))} ${front.unit}`, "number");
    };
    if (front.offset) line("each call", "", front.offset);
    m.choices.forEach((choice, t) => {
      if (choice < 0 && !m.parts[t]) return;
      const decision = front.decisions[t], what = choice < 0 ? "" : decision.choices[choice];
      if (m.parts.length) line(decision.name, what, m.parts[t]);
      else {
        const row = table.insertRow();
        cell(row, decision.name);
        cell(row, what);
      }
    });
    place.replaceChildren(table);
  }

  function show(budget) {
    const i = within(budget), m = members[i], answer = by("answer");
    slider.setAttribute("aria-valuetext", `${budget} ${front.unit}`);
    answer.replaceChildren();
    const lead = document.createElement("span"), cost = document.createElement("b"), code = document.createElement("code");
    lead.textContent = m.at > budget * (1 + 1e-12) ? "Nothing is that cheap; the cheapest takes " : "Answer: ";
    cost.textContent = `${m.cost} ${front.unit}, ${m.quality.toFixed(2)}`;
    code.textContent = m.text;
    answer.append(lead, cost, ` (${front.quality})`, code);
    const x = xOf(Math.min(Math.max(budget, low), high));
    now.setAttribute("x1", x);
    now.setAttribute("x2", x);
    dot.setAttribute("cx", xOf(m.at));
    dot.setAttribute("cy", yOf(m.quality));
    bars(m);
  }

  const ofSlider = () => {
    const at = from + (span * Number(slider.value)) / 1000, budget = logs ? Math.exp(at) : at;
    return slider.value === slider.max ? high : Number(budget.toPrecision(4));
  };
  slider.addEventListener("input", () => {
    const budget = Math.max(ofSlider(), low);
    exact.value = String(Number(budget.toPrecision(6)) < budget ? budget : Number(budget.toPrecision(6)));
    show(budget);
  });
  exact.addEventListener("input", () => {
    const budget = Number(exact.value);
    if (!(budget > 0)) return;
    slider.value = String(Math.round((1000 * (scale(Math.min(Math.max(budget, low), high)) - from)) / span));
    show(budget);
  });
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect(), m = members[nearest(((event.clientX - box.left) * W) / box.width)];
    ring.setAttribute("cx", xOf(m.at));
    ring.setAttribute("cy", yOf(m.quality));
    ring.setAttribute("visibility", "visible");
    tip.textContent = `${m.cost} ${front.unit}, ${m.quality.toFixed(2)}: ${m.text}`;
  });
  svg.addEventListener("pointerleave", () => ring.setAttribute("visibility", "hidden"));
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    exact.value = members[nearest(((event.clientX - box.left) * W) / box.width)].cost;
    exact.dispatchEvent(new Event("input"));
  });
  document.querySelector("label[for=budget]").textContent = `${front.cost} budget, ${front.unit}`;
  if (front.left) by("left").textContent = `${front.left} further members of the front are left out here.`;
  by("explorer").hidden = false;
  slider.value = "500";
  slider.dispatchEvent(new Event("input"));
})();
