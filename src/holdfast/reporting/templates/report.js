/* Controls for a report that can be read without them: values on charts, sorting, filtering,
   enlarging. Text from the claim is only ever read as text and set as text. */
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };

  /* Values of the nearest point of a chart: pointer, touch, or arrow keys. */
  const tip = make("div", { className: "tip", hidden: true });
  tip.setAttribute("role", "status");
  const pointsOf = (chart) => {
    const marks = all("[data-tip]", chart).map((mark) => {
      const box = mark.getBBox();
      return { owner: mark, text: mark.dataset.tip, x: box.x + box.width / 2, y: box.y + box.height / 2 };
    });
    const lines = all("[data-tips]", chart).flatMap((line) =>
      line.dataset.tips.split("|").map((text, i) => {
        const { x, y } = line.points.getItem(i);
        return { owner: line, text, x, y };
      })
    );
    const seen = (point) => !point.owner.closest(".off");
    return [...marks, ...lines].filter(seen).sort((a, b) => a.x - b.x);
  };
  const readable = (chart) => {
    const ring = document.createElementNS(chart.namespaceURI, "circle");
    ring.setAttribute("class", "ring");
    ring.setAttribute("r", 7);
    const hide = () => {
      tip.hidden = true;
      ring.remove();
    };
    const show = (point) => {
      ring.setAttribute("cx", point.x);
      ring.setAttribute("cy", point.y);
      chart.append(ring);
      tip.textContent = point.text;
      tip.hidden = false;
      const at = new DOMPoint(point.x, point.y).matrixTransform(chart.getScreenCTM());
      const most = document.documentElement.clientWidth - tip.offsetWidth - 8;
      tip.style.left = `${Math.max(8, Math.min(most, at.x - tip.offsetWidth / 2)) + scrollX}px`;
      tip.style.top = `${at.y - tip.offsetHeight - 14 + scrollY}px`;
    };
    const follow = (event) => {
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
      const far = (point) => Math.hypot(point.x - x, (point.y - y) / 4); // along x first
      const near = pointsOf(chart).reduce((a, b) => (a && far(a) <= far(b) ? a : b), null);
      if (near && far(near) < 40) show(near);
      else hide();
    };
    let place = -1;
    chart.tabIndex = 0;
    chart.addEventListener("pointermove", follow);
    chart.addEventListener("pointerdown", follow);
    chart.addEventListener("pointerleave", hide);
    chart.addEventListener("blur", hide);
    chart.addEventListener("keydown", (event) => {
      const points = pointsOf(chart);
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step || !points.length) return;
      event.preventDefault();
      place = place < 0 && step < 0 ? points.length - 1 : (place + step + points.length) % points.length;
      show(points[Math.min(place, points.length - 1)]);
    });
  };

  /* Models on and off in the charts of all models. */
  const toggle = (item) => {
    const index = item.dataset.series;
    const parts = all(`.overview .chart [data-series="${index}"]`);
    if (!parts.length) return;
    const button = make("button", { type: "button", className: "toggle" }, ...item.childNodes);
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", on);
      for (const part of parts) part.classList.toggle("off", !on);
    });
    item.append(button);
  };

  /* Rows in the order of a column; a second press turns it round. */
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
  };
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  const sortable = (table, arrange) => {
    all("thead th:not([data-fixed])", table).forEach((head) => {
      const button = make("button", { type: "button", className: "sort" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const column = head.cellIndex;
        const rows = [...table.tBodies[0].rows];
        const numbers = rows.some((row) => row.cells[column].dataset.value !== undefined);
        const first = numbers ? "descending" : "ascending";
        const turned = head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
        const order = head.hasAttribute("aria-sort") ? turned : first;
        all("th", table).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        rows.sort((a, b) => sign * compare(valueOf(a, column), valueOf(b, column)));
        table.tBodies[0].append(...rows);
        arrange();
      });
    });
  };

  /* The folded rest of a table joins it, so that sorting reaches every row. */
  const joined = (table) => {
    const rest = table.nextElementSibling;
    if (!rest || !rest.matches("details")) return () => {};
    const body = table.tBodies[0];
    const few = body.rows.length;
    const folded = rest.firstElementChild.textContent;
    body.append(...all("tbody tr", rest));
    const button = make("button", { type: "button", className: "more" });
    const arrange = () => {
      const open = button.getAttribute("aria-expanded") === "true";
      button.textContent = open ? "Show fewer" : folded;
      [...body.rows].forEach((row, i) => row.classList.toggle("beyond", !open && i >= few));
    };
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => {
      button.setAttribute("aria-expanded", button.getAttribute("aria-expanded") !== "true");
      arrange();
    });
    rest.replaceWith(button);
    arrange();
    return arrange;
  };

  /* Counterexamples by class, by what they became, by the attack that broke them. */
  const filterable = (section) => {
    const items = all(".gallery li", section);
    const fold = section.querySelector("details");
    const said = make("output");
    const kinds = [["label", "Class"], ["after", "Became"], ["attack", "Broken by"]];
    const picks = kinds.flatMap(([key, title]) => {
      const values = [...new Set(items.map((item) => item.dataset[key]))].sort(compare);
      if (values.length < 2) return [];
      const pick = make("select", {}, make("option", { value: "*", textContent: "all" }));
      values.forEach((value, i) => pick.append(make("option", { value: i, textContent: value || "not stated" })));
      return [{ key, title, pick, values }];
    });
    if (!picks.length) return;
    const apply = () => {
      const wanted = picks.filter(({ pick }) => pick.value !== "*");
      const fits = (item) => wanted.every(({ key, pick, values }) => item.dataset[key] === values[pick.value]);
      items.forEach((item) => { item.hidden = !fits(item); });
      said.textContent = `${items.filter((item) => !item.hidden).length} of ${items.length}`;
      if (fold && wanted.length) fold.open = true;
    };
    const labels = picks.map(({ title, pick }) => make("label", {}, `${title} `, pick));
    const bar = make("div", { className: "filters" }, ...labels, said);
    bar.addEventListener("change", apply);
    section.querySelector(".gallery").before(bar);
    apply();
  };

  /* One example large, the next by arrow keys. */
  const dialog = make("dialog", { className: "viewer" });
  const enlarge = (item) => {
    const shown = all(".gallery li", item.closest("section")).filter((other) => !other.hidden && other.querySelector("img"));
    const turn = (step) => enlarge(shown[(shown.indexOf(item) + step + shown.length) % shown.length]);
    const titles = ["clean", "adversarial", "difference, magnified"];
    const figures = all("img", item).map((image, i) =>
      make("figure", {}, make("img", { src: image.src, alt: image.alt }), make("figcaption", { textContent: titles[i] }))
    );
    const control = (textContent, act) => make("button", { type: "button", textContent, onclick: act });
    const nav = make("nav", {}, control("Previous", () => turn(-1)), control("Next", () => turn(1)), control("Close", () => dialog.close()));
    dialog.replaceChildren(make("div", { className: "large" }, ...figures), ...all("p", item).map((p) => p.cloneNode(true)), nav);
    dialog.onkeydown = (event) => {
      if (event.key === "ArrowRight") turn(1);
      if (event.key === "ArrowLeft") turn(-1);
    };
    dialog.onclose = () => item.querySelector("button").focus();
    if (!dialog.open) dialog.showModal();
    nav.lastElementChild.focus();
  };
  const zoomable = (triple) => {
    const button = make("button", { type: "button", className: "triple", title: "Enlarge" }, ...triple.childNodes);
    button.addEventListener("click", () => enlarge(button.closest("li")));
    triple.replaceWith(button);
  };

  /* What is folded is printed, too, and folded again afterwards. */
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open])");
    opened.forEach((fold) => { fold.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((fold) => { fold.open = false; }));

  document.body.append(tip, dialog);
  all(".chart").filter((chart) => chart.querySelector("[data-tip], [data-tips]")).forEach(readable);
  all(".legend [data-series]").forEach(toggle);
  all("table[data-sortable]").forEach((table) => sortable(table, joined(table)));
  all(".gallery .triple").forEach(zoomable);
  all(".examples").forEach(filterable);
})();
