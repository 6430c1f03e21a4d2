"use strict";
// The network's picture made to answer: point at a thing for its facts, click it (or press Enter on it) to see only the
// paths through it, move the slider to see what pruning at that score would leave.
(() => {
  const picture = document.querySelector(".picture svg");
  const facts = document.getElementById("facts");
  const slider = document.getElementById("threshold");
  const told = document.getElementById("told");
  const edges = new Map();
  const nodes = new Map();
  for (const group of picture.querySelectorAll("g[data-edge]")) {
    const name = group.dataset.edge;
    const [layer, source, target] = name.split(" ").map(Number);
    const from = `${layer} ${source}`;
    const edge = edges.get(name) || { from, to: `${layer + 1} ${target}`, score: Number(group.dataset.score), groups: [] };
    edge.groups.push(group);
    edges.set(name, edge);
  }
  for (const group of picture.querySelectorAll("g[data-node]")) nodes.set(group.dataset.node, group);

  const all = [...edges.values()];
  const scores = all.map((edge) => edge.score).sort((a, b) => a - b);
  const last = Math.max(...[...nodes.keys()].map((name) => Number(name.split(" ")[0])));
  let chosen = null;

  // Names of the nodes that edges lead to (forward) or come from (backward), beginning with some.
  function reached(begin, kept, forward) {
    const found = new Set(begin);
    const waiting = [...begin];
    while (waiting.length) {
      const node = waiting.pop();
      for (const edge of kept) {
        const next = forward ? edge.to : edge.from;
        if ((forward ? edge.from : edge.to) === node && !found.has(next)) {
          found.add(next);
          waiting.push(next);
        }
      }
    }
    return found;
  }

  function draw() {
    const place = Number(slider.value);
    const least = place > 0 ? scores[place - 1] : -1;
    const strong = all.filter((edge) => edge.score > least);
    const ends = [...nodes.keys()].filter((name) => Number(name.split(" ")[0]) === last);
    const useful = reached(ends, strong, false);
    let kept = strong.filter((edge) => useful.has(edge.to));
    const left = kept.length;
    if (chosen) {
      const after = reached([chosen.to], kept, true);
      const before = reached([chosen.from], kept, false);
      kept = kept.filter((edge) => edge === chosen.edge || after.has(edge.from) || before.has(edge.to));
    }
    const seen = new Set(kept.flatMap((edge) => [edge.from, edge.to]).concat(ends));
    const shown = new Set(kept);
    for (const edge of all) for (const group of edge.groups) group.classList.toggle("faded", !shown.has(edge));
    for (const [name, group] of nodes) group.classList.toggle("faded", !seen.has(name));
    const words = place > 0 ? `edges with a score above ${least.toPrecision(3)}` : "all edges";
    told.textContent = `${words}: ${left} of ${all.length}`;
  }

  function choose(group) {
    const edge = group.dataset.edge ? edges.get(group.dataset.edge) : null;
    const next = edge ? { edge, from: edge.from, to: edge.to } : { from: group.dataset.node, to: group.dataset.node };
    const same = chosen && chosen.edge === next.edge && chosen.from === next.from && chosen.to === next.to;
    chosen = same ? null : next;
    draw();
  }

  for (const group of picture.querySelectorAll("g[data-edge], g[data-node]")) {
    const title = group.querySelector("title");
    const text = title ? title.textContent : "";
    const tell = () => { facts.textContent = text; };
    group.tabIndex = 0;
    group.setAttribute("role", "button");
    group.setAttribute("aria-label", text);
    group.addEventListener("mouseenter", tell);
    group.addEventListener("focus", tell);
    group.addEventListener("click", (event) => { event.stopPropagation(); choose(group); });
    group.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(group); }
    });
  }
  const release = () => { chosen = null; draw(); };
  picture.addEventListener("click", release);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") release(); });
  slider.addEventListener("input", draw);
  draw();
})();
