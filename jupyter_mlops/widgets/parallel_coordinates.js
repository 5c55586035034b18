// Parallel coordinates: one line for each run, one axis for each parameter and metric.
// Drag along an axis to select the runs in that range; the kernel has the selection too.

const HEIGHT = 300;
const EDGE = { left: 74, right: 74, top: 12, bottom: 34 };
const LEAST_WIDTH = 116;
const MISSING = HEIGHT - 12;
// From low to high; visible on white and on black.
const COLOURS = [[42, 127, 201], [155, 89, 182], [217, 115, 59]];

export default {
  render({ model, el }) {
    const root = add(el, 'div', { class: 'mlops-picture' });
    const bar = add(root, 'div', { class: 'mlops-bar' });
    const status = add(bar, 'span', { 'aria-live': 'polite', class: 'mlops-status' });
    const clear = add(bar, 'button', { type: 'button' }, 'show all');
    clear.onclick = () => save(model, 'brushes', {});
    const scroll = add(root, 'div', { class: 'mlops-axes' });
    const titles = add(scroll, 'div', { class: 'mlops-titles' });
    const area = add(scroll, 'div', {});
    const tip = add(scroll, 'div', { class: 'mlops-tip', hidden: '' });
    add(root, 'div', { class: 'mlops-note' },
      'Drag along an axis to select, click it to undo; or Tab to an axis and use the arrow keys. A name colours by its axis.');
    const note = add(root, 'div', { class: 'mlops-note' });

    const draw = () => {
      const focused = area.querySelector(':focus')?.dataset.bound;
      const view = layout(model, root.clientWidth);
      name(titles, model, view);
      area.replaceChildren();
      const canvas = svg(area, view.width, HEIGHT);
      canvas.setAttribute('role', 'group');
      canvas.setAttribute('aria-label', 'Parallel coordinates of runs');
      threads(canvas, model, view, tip);
      view.axes.forEach(axis => drawAxis(canvas, axis));
      view.axes.forEach(axis => grips(canvas, model, view, axis, () => recolour(canvas, model, view)));
      recolour(canvas, model, view);
      say(model, view, status);
      clear.hidden = !Object.keys(model.get('brushes')).length;
      note.textContent = model.get('note');
      area.querySelector(`[data-bound="${CSS.escape(focused ?? '')}"]`)?.focus();
    };
    const keys = ['axes', 'rows', 'brushes', 'colour_by', 'note'];
    keys.forEach(key => model.on(`change:${key}`, draw));
    let known = 0;
    const watch = new ResizeObserver(() => {
      if (root.clientWidth !== known) {
        known = root.clientWidth;
        draw();
      }
    });
    watch.observe(root);
    const uncover = coverStatic(el);
    draw();
    return () => {
      keys.forEach(key => model.off(`change:${key}`, draw));
      watch.disconnect();
      uncover();
    };
  }
};

// The positions of the axes, and of each value on them.
function layout(model, available) {
  const axes = model.get('axes');
  const width = Math.max(available - 2, EDGE.left + EDGE.right + (axes.length - 1) * LEAST_WIDTH);
  const bottom = HEIGHT - EDGE.bottom;
  const gap = (width - EDGE.left - EDGE.right) / Math.max(1, axes.length - 1);
  const brushes = model.get('brushes');
  const rows = model.get('rows');
  return {
    width,
    brushes,
    axes: axes.map((axis, index) => {
      const to = axis.log ? Math.log10 : v => v;
      const words = axis.categories;
      const last = words ? words.length - 1 : 0;
      const low = words ? 0 : to(axis.low);
      const high = words ? last : to(axis.high);
      const span = high - low || 1;
      const y = value =>
        value === null ? MISSING : bottom - ((bottom - EDGE.top) * ((words ? value : to(value)) - low)) / span;
      const at = place => {
        const position = low + ((bottom - Math.min(bottom, Math.max(EDGE.top, place))) / (bottom - EDGE.top)) * span;
        return words ? position : axis.log ? 10 ** position : position;
      };
      const values = new Set(rows.map(row => row[index]).filter(value => value !== null));
      return { ...axis, index, values, x: EDGE.left + gap * index, y, at, bottom, brush: brushes[axis.name] };
    })
  };
}

// The axes' names, as buttons that select the axis for the lines' colours.
function name(titles, model, view) {
  const focused = titles.querySelector(':focus')?.title;
  titles.replaceChildren();
  titles.style.width = `${view.width}px`;
  for (const axis of view.axes) {
    const button = add(titles, 'button', {
      type: 'button',
      title: axis.name,
      'aria-label': `colour by ${axis.name}`,
      'aria-pressed': String(axis.name === model.get('colour_by'))
    });
    add(button, 'span', {}, axis.name);
    button.style.left = `${axis.x}px`;
    button.onclick = () => save(model, 'colour_by', axis.name);
    if (axis.name === focused) {
      button.focus();
    }
  }
}

function threads(canvas, model, view, tip) {
  const names = model.get('names');
  const ids = model.get('ids');
  const paths = model.get('rows').map((row, i) => {
    const d = row.map((value, k) => `${k ? 'L' : 'M'}${view.axes[k].x.toFixed(1)} ${view.axes[k].y(value).toFixed(1)}`).join('');
    return add(canvas, 'path', { class: 'mlops-thread', d, 'data-run': i });
  });
  canvas.onpointermove = event => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const run = event.buttons ? -1 : closest(model.get('rows'), view, x, y);
    paths.forEach((path, i) => path.classList.toggle('mlops-over', i === run));
    tip.hidden = run < 0;
    if (run < 0) {
      return;
    }
    canvas.querySelector('.mlops-axis').before(paths[run]); // on top of the others
    tip.replaceChildren();
    add(tip, 'div', { class: 'mlops-tip-title' }, `${names[run]} (${ids[run].slice(0, 8)})`);
    view.axes.forEach((axis, k) => {
      const value = model.get('rows')[run][k];
      add(tip, 'div', {}, `${axis.name} ${value === null ? '–' : axis.categories ? axis.categories[value] : number(value)}`);
    });
    const left = x > view.width / 2;
    tip.style.left = left ? '' : `${x + 14}px`;
    tip.style.right = left ? `${view.width - x + 14}px` : '';
  };
  canvas.onpointerleave = () => {
    tip.hidden = true;
    paths.forEach(path => path.classList.remove('mlops-over'));
  };
}

// The selected run whose line is nearest to a point, within some pixels; -1 if there is none.
function closest(rows, view, x, y) {
  let best = -1;
  let least = 8;
  const k = view.axes.findIndex((axis, i) => i + 1 < view.axes.length && x >= axis.x && x <= view.axes[i + 1].x);
  if (k < 0) {
    return best;
  }
  const [a, b] = [view.axes[k], view.axes[k + 1]];
  rows.forEach((row, i) => {
    const share = (x - a.x) / (b.x - a.x);
    const apart = Math.abs(a.y(row[k]) * (1 - share) + b.y(row[k + 1]) * share - y);
    if (apart < least && passes(row, view)) {
      [best, least] = [i, apart];
    }
  });
  return best;
}

// Whether a run passes through every brush; the kernel decides in the same way.
function passes(row, view) {
  return view.axes.every((axis, k) => {
    const { brush } = axis;
    return !brush || (row[k] !== null && row[k] >= brush[0] && row[k] <= brush[1]);
  });
}

function recolour(canvas, model, view) {
  const k = Math.max(0, view.axes.findIndex(axis => axis.name === model.get('colour_by')));
  const axis = view.axes[k];
  canvas.querySelectorAll('.mlops-thread').forEach(path => {
    const row = model.get('rows')[path.dataset.run];
    const share = row[k] === null ? null : (axis.bottom - axis.y(row[k])) / (axis.bottom - EDGE.top);
    const selected = passes(row, view);
    path.classList.toggle('mlops-out', !selected);
    path.setAttribute('stroke', share === null ? 'gray' : mixed(share));
    if (selected) {
      canvas.querySelector('.mlops-axis')?.before(path);
    }
  });
}

function mixed(share) {
  const at = Math.min(1, Math.max(0, share)) * (COLOURS.length - 1);
  const from = Math.min(COLOURS.length - 2, Math.floor(at));
  const [a, b] = [COLOURS[from], COLOURS[from + 1]];
  return `rgb(${a.map((part, i) => Math.round(part + (b[i] - part) * (at - from))).join(' ')})`;
}

function drawAxis(canvas, axis) {
  add(canvas, 'path', { class: 'mlops-axis', d: `M${axis.x} ${EDGE.top}V${axis.bottom}` });
  for (const [value, label] of marks(axis)) {
    const y = axis.y(value);
    add(canvas, 'path', { class: 'mlops-axis', d: `M${axis.x - 4} ${y}H${axis.x}` });
    add(canvas, 'text', { class: 'mlops-tick mlops-label', x: axis.x - 7, y: y + 4, 'text-anchor': 'end' }, label);
  }
  if (axis.missing) {
    add(canvas, 'text', { class: 'mlops-tick mlops-label', x: axis.x - 7, y: MISSING + 4, 'text-anchor': 'end' }, 'none');
  }
}

// The labels of an axis: its categories; its values if they are few and apart; else round numbers.
function marks(axis) {
  if (axis.categories) {
    return axis.categories.map((word, i) => [i, word.length > 16 ? `${word.slice(0, 15)}…` : word]);
  }
  const values = [...axis.values].sort((a, b) => a - b);
  const apart = values.every((value, i) => !i || axis.y(values[i - 1]) - axis.y(value) >= 13);
  if (values.length <= 8 && apart) {
    return values.map(value => [value, number(value)]);
  }
  const to = axis.log ? Math.log10 : v => v;
  return ticks(to(axis.low), to(axis.high), axis.log);
}

// The mouse area of an axis, the brush, and its two bounds for the keyboard.
function grips(canvas, model, view, axis, recoloured) {
  const box = add(canvas, 'rect', { class: 'mlops-brush', x: axis.x - 8, width: 16 });
  const show = () => {
    const [low, high] = pixels(axis);
    box.setAttribute('y', high);
    box.setAttribute('height', Math.max(2, low - high));
    box.style.display = axis.brush ? '' : 'none';
  };
  const grip = add(canvas, 'rect', {
    class: 'mlops-grip', x: axis.x - 16, y: EDGE.top - 8, width: 32, height: axis.bottom - EDGE.top + 16, 'data-axis': axis.name
  });
  let from = null;
  const placeOf = event => event.clientY - canvas.getBoundingClientRect().top;
  grip.onpointerdown = event => {
    from = placeOf(event);
    grip.setPointerCapture(event.pointerId);
    event.preventDefault();
  };
  grip.onpointermove = event => {
    if (from === null || Math.abs(placeOf(event) - from) < 3) {
      return;
    }
    axis.brush = span(axis, axis.at(from), axis.at(placeOf(event)));
    show();
    recoloured();
  };
  grip.onpointerup = event => {
    const moved = from !== null && Math.abs(placeOf(event) - from) >= 3;
    from = null;
    keep(model, axis, moved ? axis.brush : null);
  };
  grip.onpointercancel = () => {
    from = null;
  };
  ['lowest', 'highest'].forEach((word, end) => {
    const range = axis.brush ?? whole(axis);
    const y = axis.y(Math.min(whole(axis)[1], Math.max(whole(axis)[0], range[end])));
    const handle = add(canvas, 'rect', {
      class: 'mlops-bound', x: axis.x - 12, y: y - 3, width: 24, height: 6, tabindex: 0, role: 'slider',
      'data-bound': `${axis.index} ${end}`,
      'aria-orientation': 'vertical',
      'aria-label': `${axis.name}, ${word}`,
      // The position in percent: ARIA does not accept 1e-16.
      'aria-valuemin': 0, 'aria-valuemax': 100,
      'aria-valuenow': Math.round((100 * (axis.bottom - y)) / (axis.bottom - EDGE.top)),
      'aria-valuetext': axis.categories ? axis.categories[Math.round(range[end])] ?? '' : number(range[end])
    });
    handle.onkeydown = event => {
      const moves = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5 };
      if (event.key !== 'Escape' && !(event.key in moves)) {
        return;
      }
      event.preventDefault();
      event.stopPropagation();
      keep(model, axis, event.key === 'Escape' ? null : stepped(axis, end, moves[event.key]));
    };
  });
  show();
}

function whole(axis) {
  return axis.categories ? [0, axis.categories.length - 1] : [axis.low, axis.high];
}

// A brush between two positions; on a categorical axis it selects whole categories.
function span(axis, a, b) {
  const [low, high] = a < b ? [a, b] : [b, a];
  return axis.categories ? [Math.ceil(low - 0.35), Math.floor(high + 0.35)] : [low, high];
}

// The brush after one bound moved by some fiftieths of the axis, or by categories.
function stepped(axis, end, by) {
  const brush = [...(axis.brush ?? whole(axis))];
  const pixel = (axis.bottom - EDGE.top) / 50;
  const limits = whole(axis);
  const moved = axis.categories ? brush[end] + Math.sign(by) : axis.at(axis.y(brush[end]) - by * pixel);
  const other = brush[1 - end];
  brush[end] = end ? Math.max(other, Math.min(limits[1], moved)) : Math.min(other, Math.max(limits[0], moved));
  return brush[0] <= limits[0] && brush[1] >= limits[1] ? null : brush;
}

function pixels(axis) {
  const [low, high] = axis.brush ?? whole(axis);
  const around = axis.categories ? 7 : 0;
  return [axis.y(low) + around, axis.y(high) - around];
}

function keep(model, axis, brush) {
  const { [axis.name]: _, ...others } = model.get('brushes');
  save(model, 'brushes', brush ? { ...others, [axis.name]: brush } : others);
}

function say(model, view, status) {
  const rows = model.get('rows');
  const kept = rows.map((row, i) => i).filter(i => passes(rows[i], view));
  const names = kept.slice(0, 4).map(i => model.get('names')[i]);
  const more = kept.length > 4 ? ', …' : '';
  const which = kept.length && kept.length < rows.length ? `: ${names.join(', ')}${more}` : '';
  status.textContent = `${kept.length} of ${rows.length} runs${which}`;
}
