// Metric curves: one small chart for each metric with all runs, one toolbar for all charts.

const HEIGHT = 190;
const EDGE = { left: 52, right: 12, top: 10, bottom: 24 };
const DASHES = ['', '6 3', '2 3', '8 3 2 3'];

export default {
  render({ model, el }) {
    const root = add(el, 'div', { class: 'mlops-picture' });
    const bar = toolbar(model, root);
    const grid = add(root, 'div', { class: 'mlops-grid' });
    const said = add(root, 'div', { class: 'mlops-note', 'aria-live': 'polite' });
    const note = add(root, 'div', { class: 'mlops-note' });
    const charts = model
      .get('curves')
      .map((curve, index) => chart(model, grid, curve, index, text => (said.textContent = text)));

    const draw = () => {
      bar();
      charts.forEach(one => one());
      note.textContent = model.get('note');
    };
    const keys = ['hidden', 'log', 'smoothing', 'curves', 'note'];
    keys.forEach(key => model.on(`change:${key}`, draw));
    const watch = new ResizeObserver(draw);
    watch.observe(grid);
    const uncover = coverStatic(el);
    draw();
    return () => {
      keys.forEach(key => model.off(`change:${key}`, draw));
      watch.disconnect();
      uncover();
    };
  }
};

// The toolbar: a button for each run, the scale, the smoothing.
function toolbar(model, root) {
  const bar = add(root, 'div', { class: 'mlops-bar', role: 'toolbar', 'aria-label': 'Curves' });
  const buttons = model.get('runs').map((run, index) => {
    const button = add(bar, 'button', { type: 'button', class: 'mlops-run', title: run.id });
    const line = add(svg(button, 22, 8), 'path', { d: 'M0 4H22', class: 'mlops-line' });
    line.setAttribute('stroke', run.colour);
    line.setAttribute('stroke-dasharray', dash(index));
    add(button, 'span', {}, run.name);
    button.onclick = () => {
      const hidden = model.get('hidden');
      const rest = hidden.filter(id => id !== run.id);
      save(model, 'hidden', rest.length === hidden.length ? [...hidden, run.id] : rest);
    };
    return [run, button];
  });
  const scale = add(bar, 'label', { class: 'mlops-option' });
  const log = add(scale, 'input', { type: 'checkbox' });
  add(scale, 'span', {}, 'log scale');
  log.onchange = () => save(model, 'log', log.checked);
  const smooth = add(bar, 'label', { class: 'mlops-option' });
  add(smooth, 'span', {}, 'smoothing');
  const range = add(smooth, 'input', { type: 'range', min: 0, max: 0.99, step: 0.01 });
  const amount = add(smooth, 'output', {});
  range.oninput = () => save(model, 'smoothing', Number(range.value));
  return () => {
    for (const [run, button] of buttons) {
      button.setAttribute('aria-pressed', String(!model.get('hidden').includes(run.id)));
    }
    log.checked = model.get('log');
    range.value = model.get('smoothing');
    amount.textContent = model.get('smoothing').toFixed(2);
  };
}

// The chart of one metric; returns its redraw function.
function chart(model, grid, curve, index, say) {
  const box = add(grid, 'figure', { class: 'mlops-chart' });
  add(box, 'figcaption', {}, curve.metric);
  const area = add(box, 'div', {
    class: 'mlops-plot',
    tabindex: 0,
    role: 'group',
    'aria-label': `${curve.metric} by step; arrow keys read the values`
  });
  const tip = add(box, 'div', { class: 'mlops-tip', hidden: '' });
  let at = null; // the selected step
  let view = null;

  const draw = () => {
    const width = Math.max(240, box.clientWidth);
    const current = model.get('curves')[index] ?? curve;
    view = layout(current, model, width);
    area.replaceChildren();
    const canvas = svg(area, width, HEIGHT);
    canvas.setAttribute('aria-hidden', 'true');
    frame(canvas, view, width);
    for (const line of view.lines) {
      if (model.get('smoothing') > 0) {
        path(canvas, view, line, line.values, 'mlops-line mlops-faint');
      }
      path(canvas, view, line, line.shown, 'mlops-line');
      if (line.steps.length === 1 && view.y(line.shown[0]) !== null) {
        add(canvas, 'circle', {
          cx: view.x(line.steps[0]), cy: view.y(line.shown[0]), r: 3, fill: line.run.colour
        });
      }
    }
    if (view.dropped) {
      const attributes = { x: width - EDGE.right, y: HEIGHT - EDGE.bottom - 6, class: 'mlops-tick', 'text-anchor': 'end' };
      add(canvas, 'text', attributes, 'values of 0 and less are left out');
    }
    read();
  };

  // Draw the cross-hair at the selected step, and its values.
  const read = () => {
    const canvas = area.firstChild;
    canvas.querySelectorAll('.mlops-cross').forEach(mark => mark.remove());
    tip.hidden = at === null || !view.steps.length;
    if (tip.hidden) {
      return;
    }
    const x = view.x(at);
    add(canvas, 'path', { class: 'mlops-cross mlops-rule', d: `M${x} ${EDGE.top}V${HEIGHT - EDGE.bottom}` });
    tip.replaceChildren();
    add(tip, 'div', { class: 'mlops-tip-title' }, `step ${at.toLocaleString('en')}`);
    const words = [];
    for (const line of view.lines) {
      const i = nearest(line.steps, at);
      if (i < 0 || line.shown[i] === null) {
        continue;
      }
      const y = view.y(line.shown[i]);
      if (y !== null) {
        add(canvas, 'circle', { class: 'mlops-cross', cx: view.x(line.steps[i]), cy: y, r: 3.5, fill: line.run.colour });
      }
      const row = add(tip, 'div', {});
      const dot = add(row, 'span', { class: 'mlops-dot' });
      dot.style.background = line.run.colour;
      const apart = line.steps[i] === at ? '' : ` (step ${line.steps[i].toLocaleString('en')})`;
      add(row, 'span', {}, `${line.run.name} ${number(line.shown[i])}${apart}`);
      words.push(`${line.run.name} ${number(line.shown[i])}`);
    }
    tip.style.left = x > box.clientWidth / 2 ? '' : `${x + 10}px`;
    tip.style.right = x > box.clientWidth / 2 ? `${box.clientWidth - x + 10}px` : '';
    return `${curve.metric}, step ${at}: ${words.join(', ')}`;
  };

  area.onpointermove = event => {
    const left = event.clientX - area.getBoundingClientRect().left;
    at = view.steps[nearest(view.steps, view.stepAt(left))] ?? null;
    read();
  };
  area.onpointerleave = () => {
    at = null;
    read();
  };
  area.onblur = area.onpointerleave;
  area.onkeydown = event => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
    if (!(event.key in moves) || !view.steps.length) {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // the notebook would move to another cell
    const from = at === null ? (moves[event.key] < 0 ? view.steps.length : -1) : nearest(view.steps, at);
    at = view.steps[Math.min(view.steps.length - 1, Math.max(0, from + moves[event.key]))];
    say(read());
  };
  return draw;
}

// The visible lines of a metric, and the positions of steps and values.
function layout(curve, model, width) {
  const log = model.get('log');
  const lines = model
    .get('runs')
    .map((run, i) => ({ run, dash: dash(i), ...curve.lines[i] }))
    .filter(line => line.steps.length && !model.get('hidden').includes(line.run.id))
    .map(line => ({ ...line, shown: smoothed(line.values, model.get('smoothing')) }));
  const steps = [...new Set(lines.flatMap(line => line.steps))].sort((a, b) => a - b);
  const known = lines.flatMap(line => [...line.values, ...line.shown]).filter(v => v !== null);
  const values = log ? known.filter(v => v > 0) : known;
  const to = log ? Math.log10 : v => v;
  let low = values.length ? to(values.reduce((a, b) => Math.min(a, b))) : 0;
  let high = values.length ? to(values.reduce((a, b) => Math.max(a, b))) : 1;
  if (low === high) {
    [low, high] = [low - (Math.abs(low) || 1) * 0.05, high + (Math.abs(high) || 1) * 0.05];
  }
  const first = steps[0] ?? 0;
  const last = steps[steps.length - 1] ?? 1;
  const across = width - EDGE.left - EDGE.right;
  const down = HEIGHT - EDGE.top - EDGE.bottom;
  return {
    lines, steps, low, high, log,
    dropped: log && values.length < known.length,
    x: step => EDGE.left + (across * (step - first)) / (last - first || 1),
    y: value =>
      value === null || (log && value <= 0) ? null : EDGE.top + (down * (high - to(value))) / (high - low),
    stepAt: x => first + ((x - EDGE.left) / across) * (last - first)
  };
}

function frame(canvas, view, width) {
  for (const [value, label] of ticks(view.low, view.high, view.log)) {
    const y = view.y(value);
    add(canvas, 'path', { class: 'mlops-rule', d: `M${EDGE.left} ${y}H${width - EDGE.right}` });
    add(canvas, 'text', { class: 'mlops-tick', x: EDGE.left - 6, y: y + 4, 'text-anchor': 'end' }, label);
  }
  const shown = ticks(view.steps[0] ?? 0, view.steps[view.steps.length - 1] ?? 1, false, width / 64);
  for (const [step] of shown.filter(([step]) => Number.isInteger(step))) {
    const attributes = { class: 'mlops-tick', x: view.x(step), y: HEIGHT - 8, 'text-anchor': 'middle' };
    add(canvas, 'text', attributes, step.toLocaleString('en'));
  }
}

function path(canvas, view, line, values, kind) {
  let d = '';
  let pen = 'M';
  values.forEach((value, i) => {
    const y = view.y(value);
    d += y === null ? '' : `${pen}${view.x(line.steps[i]).toFixed(1)} ${y.toFixed(1)}`;
    pen = y === null ? 'M' : 'L';
  });
  add(canvas, 'path', { class: kind, d, stroke: line.run.colour, 'stroke-dasharray': line.dash });
}

// Exponential moving average with bias correction.
function smoothed(values, weight) {
  if (!weight) {
    return values;
  }
  let sum = 0;
  let total = 0;
  return values.map(value => {
    if (value === null) {
      return null;
    }
    sum = sum * weight + value * (1 - weight);
    total = total * weight + (1 - weight);
    return sum / total;
  });
}

function nearest(steps, at) {
  let best = steps.length ? 0 : -1;
  steps.forEach((step, i) => {
    best = Math.abs(step - at) < Math.abs(steps[best] - at) ? i : best;
  });
  return best;
}

function dash(index) {
  return DASHES[Math.floor(index / 6) % DASHES.length];
}
