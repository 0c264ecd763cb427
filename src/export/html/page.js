"use strict";
// Makes the tables sortable and filterable, and draws charts from what stands in them.
(() => {
  const MOST = 40;
  const colours = ["#2b78c5", "#d2691e", "#2f9e60", "#8a5cd6", "#c93c7f", "#a67c00", "#1d9a9a", "#7a8594"];
  const text = (cell) => (cell.classList.contains("null") ? null : cell.textContent);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const exact = (value) => (/^-?\d+$/.test(value) ? BigInt(value) : Number(value));

  function compare(one, other, numbers) {
    if (one === null || other === null) return (one === null) - (other === null);
    if (!numbers) return one < other ? -1 : one > other ? 1 : 0;
    const [a, b] = [exact(one), exact(other)];
    return a < b ? -1 : a > b ? 1 : 0;
  }

  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const numbers = head.classList.contains("n");
        const rows = [...table.tBodies[0].rows].map((row) => [text(row.cells[index]), row]);
        rows.sort(([a], [b]) => {
          if (a === null || b === null) return compare(a, b, numbers);
          return down ? compare(b, a, numbers) : compare(a, b, numbers);
        });
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    });
  }

  function filterable(table, title) {
    const box = document.createElement("div");
    box.className = "filter";
    const label = document.createElement("label");
    label.textContent = "Filter ";
    const input = document.createElement("input");
    input.type = "search";
    input.setAttribute("aria-label", `Filter the rows of ${title}`);
    const count = document.createElement("span");
    count.setAttribute("role", "status");
    // Parted by what nobody can type, so that nothing is found across two cells.
    const line = (row) => [...row.cells].map((cell) => cell.textContent).join("\n").toLowerCase();
    const rows = [...table.tBodies[0].rows].map((row) => [row, line(row)]);
    const show = () => {
      const wanted = input.value.toLowerCase();
      let shown = 0;
      for (const [row, cells] of rows) {
        row.hidden = !cells.includes(wanted);
        shown += !row.hidden;
      }
      count.textContent = wanted ? `${shown} of ${rows.length} rows` : `${rows.length} ${rows.length === 1 ? "row" : "rows"}`;
    };
    input.addEventListener("input", show);
    label.append(input);
    box.append(label, count);
    table.closest(".scroll").before(box);
    show();
  }

  function columns(table, names) {
    const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent);
    const rows = [...table.tBodies[0].rows];
    return names.map((name) => rows.map((row) => text(row.cells[heads.indexOf(name)])));
  }

  // One series for each value of the second column, from the third.
  function stacked([x, group, y]) {
    const labels = [...new Set(x)], groups = [...new Set(group)];
    const series = groups.map((name) => ({ label: name, data: labels.map(() => 0) }));
    const places = (names) => new Map(names.map((name, index) => [name, index]));
    const [labelAt, groupAt] = [places(labels), places(groups)];
    x.forEach((label, row) => { series[groupAt.get(group[row])].data[labelAt.get(label)] = Number(y[row]); });
    return [labels, series];
  }

  function plain([x, ...ys], names) {
    return [x, ys.map((y, index) => ({ label: names[index + 1], data: y.map((value) => (value === null ? null : Number(value))) }))];
  }

  function draw(section, table, kind, names, title) {
    let cells = columns(table, names);
    if (kind === "line") {
      // What has no place on the line is no point of it.
      const x = cells[0];
      cells = cells.map((column) => column.filter((_, row) => x[row] !== null));
    }
    if (cells[0].length === 0) return;
    let [labels, series] = kind === "stack" ? stacked(cells) : plain(cells, names);
    labels = labels.map((label) => (label === null ? "none" : label));
    const all = labels.length;
    // Of a line, the end is what is new.
    const [part, ...kept] = kind === "line" ? ["last", -MOST] : ["first", 0, MOST];
    labels = labels.slice(...kept);
    series.forEach((one, index) => {
      one.data = one.data.slice(...kept);
      one.backgroundColor = one.borderColor = colours[index % colours.length];
      if (series.length > 1 && kind === "line" && index > 0) one.yAxisID = "other";
    });
    const figure = document.createElement("figure");
    const box = document.createElement("div");
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title}: the chart shows the table below it`);
    const caption = document.createElement("figcaption");
    caption.textContent = `${names.slice(kind === "stack" ? 2 : 1).join(", ")} by ${names[0]}` + (all > MOST ? ` (the ${part} ${MOST} of ${all})` : "");
    box.append(canvas);
    figure.append(box, caption);
    table.closest(".scroll").before(figure);
    const scale = (extra) => ({ ticks: { color: style("--quiet") }, grid: { color: style("--line") }, ...extra });
    const scales = { x: scale({ stacked: kind === "stack" }), y: scale({ stacked: kind === "stack", beginAtZero: true }) };
    if (series.some((one) => one.yAxisID)) scales.other = scale({ position: "right", beginAtZero: true, grid: { drawOnChartArea: false } });
    const chart = new Chart(canvas, {
      type: kind === "line" ? "line" : "bar",
      data: { labels, datasets: series },
      options: {
        responsive: true, maintainAspectRatio: false, animation: false, scales,
        plugins: { legend: { display: series.length > 1, labels: { color: style("--ink") } } },
      },
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const one of Object.values(chart.options.scales)) {
        one.ticks.color = style("--quiet");
        one.grid.color = style("--line");
      }
      chart.options.plugins.legend.labels.color = style("--ink");
      chart.update("none");
    });
    addEventListener("beforeprint", () => chart.resize());
    addEventListener("afterprint", () => chart.resize());
  }

  // A table of one row and one column for each name: itself accessible, only shaded.
  function matrix(table, names, title) {
    const [x, y, values] = columns(table, names);
    if (x.length === 0) return;
    const labels = [...new Set([...x, ...y])].sort();
    const key = (one, other) => JSON.stringify([one, other]);
    const cells = new Map(values.map((value, row) => [key(x[row], y[row]), value]));
    const grid = document.createElement("table");
    grid.className = "matrix";
    grid.setAttribute("aria-label", `${title}, as a matrix: ${names[2]}`);
    const head = grid.createTHead().insertRow();
    for (const name of ["", ...labels]) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = name;
      head.append(cell);
    }
    const body = grid.createTBody();
    for (const one of labels) {
      const row = body.insertRow();
      const cell = document.createElement("th");
      cell.scope = "row";
      cell.textContent = one;
      row.append(cell);
      for (const other of labels) {
        const value = cells.get(key(one, other)) ?? "0";
        const shaded = row.insertCell();
        shaded.textContent = value;
        shaded.style.background = `color-mix(in srgb, var(--mark) ${Math.round(Number(value) * 0.4)}%, transparent)`;
      }
    }
    const scroll = document.createElement("div");
    scroll.className = "scroll";
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", title);
    scroll.append(grid);
    table.closest(".scroll").before(scroll);
  }

  // A single row of many columns reads better as a list.
  function list(table) {
    const names = [...table.tHead.rows[0].cells].map((head) => head.textContent);
    table.classList.add("lone");
    [...table.tBodies[0].rows[0].cells].forEach((cell, index) => { cell.dataset.name = names[index]; });
  }

  for (const section of document.querySelectorAll("section")) {
    const table = section.querySelector("table");
    const title = section.querySelector("h2").textContent;
    const [kind, ...names] = (section.dataset.chart || "").split(" ");
    if (kind === "matrix") matrix(table, names, title);
    else if (kind) draw(section, table, kind, names, title);
    if (table.tBodies[0].rows.length === 1 && table.tHead.rows[0].cells.length > 4) {
      list(table);
      continue;
    }
    sortable(table);
    filterable(table, title);
  }
})();
