// Shared code of the plots: elements, round numbers, and the static form that they hide.

// Round values between two bounds, each with its label; with `log` the bounds are powers of ten.
function ticks(low, high, log, most = 5) {
  const values = log && high - low < most * 2 ? decades(low, high, most) : [];
  if (values.length < 2) {
    const step = nice((high - low) / Math.max(1, most));
    for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step) {
      values.push(log ? 10 ** value : Math.abs(value) < step / 1e6 ? 0 : value);
    }
  }
  return values.map(value => [value, number(value)]);
}

function decades(low, high, most) {
  const found = [];
  for (let power = Math.floor(low); power <= high; power++) {
    found.push(...[1, 2, 5].map(factor => factor * 10 ** power));
  }
  const within = found.filter(v => Math.log10(v) >= low - 1e-9 && Math.log10(v) <= high + 1e-9);
  const whole = within.filter(v => Number.isInteger(Number(Math.log10(v).toFixed(9))));
  return within.length > most && whole.length > 1 ? whole : within;
}

function nice(step) {
  const power = 10 ** Math.floor(Math.log10(step || 1));
  return power * [1, 2, 2.5, 5, 10].find(factor => factor * power >= step * 0.999);
}

function number(value) {
  const size = Math.abs(value);
  return size && (size < 1e-3 || size >= 1e6) ? value.toExponential(2).replace(/\.?0+e/, 'e') : String(Number(value.toPrecision(4)));
}

function save(model, key, value) {
  model.set(key, value);
  model.save_changes();
}

// Hide the static form above while this view is displayed.
function coverStatic(el) {
  let covered = null;
  let tries = 0;
  const look = () => {
    const sibling = el.closest('.jp-OutputArea-child')?.previousElementSibling;
    if (sibling?.querySelector('.mlops-static')) {
      covered = sibling;
      covered.style.display = 'none';
    } else if (tries++ < 60) {
      requestAnimationFrame(look);
    }
  };
  look();
  return () => {
    tries = 60;
    covered?.style.removeProperty('display');
  };
}

function svg(parent, width, height) {
  return add(parent, 'svg', { width, height, viewBox: `0 0 ${width} ${height}` });
}

const DRAWN = new Set(['svg', 'path', 'text', 'circle', 'g', 'rect', 'line']);

function add(parent, kind, attributes, text) {
  const made = DRAWN.has(kind)
    ? document.createElementNS('http://www.w3.org/2000/svg', kind)
    : document.createElement(kind);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  if (text !== undefined) {
    made.textContent = text;
  }
  parent.appendChild(made);
  return made;
}
