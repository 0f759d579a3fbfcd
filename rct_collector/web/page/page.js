// The page: what the server tells over /api, shown. No value is shown that is not known to be a present
// one: the server says which have become too old, and when it falls silent all of them are let go of.

const TEXTS = {
  en: {
    device: 'Device', logout: 'Log out', login: 'Log in', token: 'Token', other: 'Deutsch',
    login_how: 'Open the link that “rct-collector web link” prints, or write its token here.',
    login_failed: 'That is no token of this server.',
    nobody: 'Nobody on this host collects from an inverter at present.',
    now: 'Now', today: 'Today', past: 'The last 24 hours', battery: 'Battery', generators: 'Solar generators',
    quality: 'Quality of the line', settings: 'Settings', all: 'All values', show_all: 'Show all values',
    question: 'Really set this?', cancel: 'Cancel', set_it: 'Set it', change: 'Set',
    sun: 'Sun', grid: 'Grid', load: 'House', output: 'Output', soc: 'State of charge', pv: 'Sun',
    charging: 'charging', discharging: 'discharging', drawing: 'drawing', feeding: 'feeding in',
    no_power: 'No present values.', as_of: 'As of {time}, {age} ago.',
    no_faults: 'No faults', fault: 'Fault {number}: {text}', unknown: 'unknown', state: 'state',
    away: '{name} has not answered since {time} ({age}). {why}',
    lost: 'No connection to this server since {time} ({age}). It is tried again.',
    energy_pv: 'Sun', energy_output: 'Inverter output', energy_load: 'House', energy_grid_import: 'From the grid',
    energy_grid_export: 'Into the grid', energy_external: 'External generator',
    autarky: 'Self-sufficiency now', self: 'Own use of solar power now',
    battery_n: 'Battery {n}', voltage: 'Voltage', current: 'Current', temperature: 'Temperature', health: 'Health',
    cycles: 'Cycles', stored: 'Energy held', cells: 'Cells, in volts', module: 'Module', lowest: 'Lowest',
    highest: 'Highest', spread: 'Spread', cell_note: '▼ lowest, ▲ highest cell of all.',
    strings: 'Strings', string: 'String', power: 'Power', energy: 'Today', optimizers: 'Optimizers', optimizer: 'Optimizer',
    answered: 'Questions answered', timeouts: 'Without an answer', errors: 'Spoiled frames',
    reconnects: 'Connections lost', latency: 'Time to an answer', round: 'Duration of a round',
    every: 'Interval', collector: 'Collected by', implausible: 'Implausible values',
    metric: 'Metric', value: 'Value', time: 'Time', none: 'no value',
    at: '{time}: {values}', cursor_help: 'Move with the arrow keys.',
    not_known: 'not known', only_read: 'You have come in for reading. To set something, come in with the link of “rct-collector web link --set”.',
    on: 'on', off: 'off', ask: 'Set “{title}” of {name} from {before} to {after}?',
    sending: '{title}: being set …', applied: '{title} is {after} now.', refused: '{title} was refused: {why}',
    accepted_not_visible: '{title} was accepted, but the inverter does not show it yet.',
    unknown_outcome: '{title}: it is not known whether it was set. {why}',
  },
  de: {
    device: 'Gerät', logout: 'Abmelden', login: 'Anmelden', token: 'Token', other: 'English',
    login_how: 'Öffne den Link, den „rct-collector web link“ ausgibt, oder schreibe sein Token hierher.',
    login_failed: 'Das ist kein Token dieses Servers.',
    nobody: 'Zurzeit liest niemand auf diesem Rechner einen Wechselrichter aus.',
    now: 'Jetzt', today: 'Heute', past: 'Die letzten 24 Stunden', battery: 'Batterie', generators: 'Solargeneratoren',
    quality: 'Güte der Leitung', settings: 'Einstellungen', all: 'Alle Werte', show_all: 'Alle Werte zeigen',
    question: 'Wirklich einstellen?', cancel: 'Abbrechen', set_it: 'Einstellen', change: 'Einstellen',
    sun: 'Sonne', grid: 'Netz', load: 'Haus', output: 'Ausgang', soc: 'Ladezustand', pv: 'Sonne',
    charging: 'lädt', discharging: 'entlädt', drawing: 'Bezug', feeding: 'Einspeisung',
    no_power: 'Keine aktuellen Werte.', as_of: 'Stand {time}, vor {age}.',
    no_faults: 'Keine Fehler', fault: 'Fehler {number}: {text}', unknown: 'unbekannt', state: 'Zustand',
    away: '{name} antwortet seit {time} nicht ({age}). {why}',
    lost: 'Seit {time} keine Verbindung zu diesem Server ({age}). Es wird weiter versucht.',
    energy_pv: 'Sonne', energy_output: 'Ausgang des Wechselrichters', energy_load: 'Haus', energy_grid_import: 'Netzbezug',
    energy_grid_export: 'Netzeinspeisung', energy_external: 'Externer Erzeuger',
    autarky: 'Autarkie jetzt', self: 'Eigenverbrauch jetzt',
    battery_n: 'Batterie {n}', voltage: 'Spannung', current: 'Strom', temperature: 'Temperatur', health: 'Gesundheit',
    cycles: 'Zyklen', stored: 'Gespeicherte Energie', cells: 'Zellen, in Volt', module: 'Modul', lowest: 'Niedrigste',
    highest: 'Höchste', spread: 'Abstand', cell_note: '▼ niedrigste, ▲ höchste Zelle von allen.',
    strings: 'Stränge', string: 'Strang', power: 'Leistung', energy: 'Heute', optimizers: 'Optimierer', optimizer: 'Optimierer',
    answered: 'Beantwortete Fragen', timeouts: 'Ohne Antwort', errors: 'Verdorbene Rahmen',
    reconnects: 'Verlorene Verbindungen', latency: 'Zeit bis zur Antwort', round: 'Dauer einer Runde',
    every: 'Abstand', collector: 'Ausgelesen von', implausible: 'Unglaubwürdige Werte',
    metric: 'Metrik', value: 'Wert', time: 'Zeit', none: 'kein Wert',
    at: '{time}: {values}', cursor_help: 'Mit den Pfeiltasten bewegen.',
    not_known: 'nicht bekannt', only_read: 'Du bist zum Lesen angemeldet. Zum Einstellen melde dich mit dem Link von „rct-collector web link --set“ an.',
    on: 'ein', off: 'aus', ask: '„{title}“ von {name} von {before} auf {after} stellen?',
    sending: '{title}: wird eingestellt …', applied: '{title} ist jetzt {after}.', refused: '{title} wurde abgelehnt: {why}',
    accepted_not_visible: '{title} wurde angenommen, aber der Wechselrichter zeigt es noch nicht.',
    unknown_outcome: '{title}: ob es eingestellt wurde, ist nicht bekannt. {why}',
  },
};

const SILENCE_MS = 35000; // the server speaks every 10 s
const AGAIN_MS = [500, 1000, 2000, 5000];
const STILL_W = 15; // below this, a power has no direction worth telling
const CURVES = ['pv', 'output', 'load', 'grid', 'battery', 'soc'];

// -- words and numbers -----------------------------------------------------------------------------

function kept(name) { try { return localStorage.getItem(name); } catch { return null; } }
function keep(name, value) { try { localStorage.setItem(name, value); } catch { /* it is asked again */ } }

let language = kept('language') ?? (navigator.language.startsWith('de') ? 'de' : 'en');
if (!(language in TEXTS)) language = 'en';

function t(name, values = {}) {
  return TEXTS[language][name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

const formats = new Map();
function number(value, least, most = least) {
  const key = `${language}/${least}/${most}`;
  if (!formats.has(key)) {
    formats.set(key, new Intl.NumberFormat(language, { minimumFractionDigits: least, maximumFractionDigits: most }));
  }
  return formats.get(key).format(value);
}

function watts(value) {
  return Math.abs(value) < 1000 ? `${number(Math.round(value) || 0, 0)} W` : `${number(value / 1000, 2)} kW`;
}

function wattHours(value) {
  return Math.abs(value) < 1000 ? `${number(value, 0)} Wh` : `${number(value / 1000, 1)} kWh`;
}

function clock(seconds, withSeconds = true) {
  const moment = new Date(seconds * 1000);
  const options = { hour: '2-digit', minute: '2-digit', ...(withSeconds ? { second: '2-digit' } : {}) };
  const day = moment.toDateString() === new Date().toDateString() ? {} : { day: 'numeric', month: 'short' };
  return moment.toLocaleString(language, { ...options, ...day });
}

function age(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${number(s / 3600, 1)} h` : `${number(s / 86400, 1)} d`;
}

// -- elements --------------------------------------------------------------------------------------

const $ = (id) => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';

function put(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const h = (name, attributes = {}, ...children) => put(document.createElement(name), attributes, children);
const s = (name, attributes = {}, ...children) => put(document.createElementNS(SVG, name), attributes, children);

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// What is made anew disturbs who reads it, so it is where it has changed; and what had the focus, or had
// been scrolled, has and is so again.
const shown = new WeakMap();
function show(element, what, make) {
  const key = JSON.stringify([language, what]);
  if (shown.get(element) === key) return;
  shown.set(element, key);
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const scrolled = [...element.querySelectorAll('.scroll')].map((one) => [one.scrollLeft, one.scrollTop]);
  element.replaceChildren(...make());
  element.querySelectorAll('.scroll').forEach((one, n) => { [one.scrollLeft, one.scrollTop] = scrolled[n] ?? [0, 0]; });
  if (focused) again(element, focused)?.focus({ preventScroll: true });
}

// What stands for an element that was there before: of the same id, or else of the same kind and name.
function again(element, before) {
  return before.id ? document.getElementById(before.id) : [...element.querySelectorAll(before.tagName)]
    .find((one) => one.getAttribute('aria-label') === before.getAttribute('aria-label'));
}

function table(head, rows, kind = '') {
  return h('table', { class: kind },
    h('thead', {}, h('tr', {}, ...head.map((text) => h('th', { scope: 'col' }, text)))),
    h('tbody', {}, ...rows.map(([first, ...others]) => h('tr', {}, h('th', { scope: 'row' }, first),
      ...others.map((item) => (item instanceof Node ? item : h('td', {}, item ?? '–')))))));
}

const scroll = (name, ...children) => h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': name }, ...children);
const list = (pairs) => pairs.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]);

// -- what is known ---------------------------------------------------------------------------------

let families = {}; // driver → what its codes and faults mean
const words = (one) => families[one.driver] ?? { codes: {}, faults: {} };
const devices = new Map(); // source → device, whose units are a map
let told = false; // whether the server has said what there is
let troubles = []; // why nothing is known of some collectors
let sets = false;
let chosen = kept('unit');
let heard = 0; // when the server spoke last, on this clock
let lostSince = null;
let ahead = 0; // the server's clock minus this one, in seconds

const now = () => Date.now() / 1000 + ahead;

class Unit {
  constructor(told) {
    Object.assign(this, told);
    this.values = new Map(Object.entries(told.values));
  }

  // A value, or undefined where there is no present one.
  get(series) { return this.values.get(series)?.[0]; }

  // Of a measurement: tags as text → field → value.
  parts(measurement) {
    const found = new Map();
    const begin = `${measurement}{`;
    for (const [series, [value]] of this.values) {
      if (!series.startsWith(begin)) continue;
      const end = series.lastIndexOf('}.');
      const tags = series.slice(begin.length, end);
      if (!found.has(tags)) found.set(tags, {});
      found.get(tags)[series.slice(end + 2)] = value;
    }
    return new Map([...found].sort((a, b) => a[0].localeCompare(b[0], 'en', { numeric: true })));
  }
}

function device(told) {
  return { ...told, units: new Map(told.units.map((unit) => [unit.unit, new Unit(unit)])) };
}

// Of a device that takes many, what speaks for all of them measures nothing.
const measures = (unit) => [...unit.values.keys()].some((series) => !series.startsWith('inverter_collector'));
const all = () => [...devices.values()].flatMap((one) => [...one.units.values()]
  .filter((unit) => unit.unit || one.units.size === 1 || measures(unit)).map((unit) => ({ one, unit })));
const key = ({ one, unit }) => `${one.source}/${unit.unit}`;
const name = ({ one, unit }) => (unit.unit ? `${one.source} ${unit.unit}` : one.source);
function current() {
  const found = all();
  return found.find((entry) => key(entry) === chosen) ?? found[0];
}

const TOLD = {
  right(params) { sets = params.sets; },
  state(params) {
    told = true;
    ({ troubles } = params);
    devices.clear();
    for (const one of params.devices) devices.set(one.source, device(one));
    ahead = params.now - Date.now() / 1000;
    settings.forget();
  },
  device(params) { devices.set(params.source, device(params)); settings.forget(); },
  removed(params) { devices.delete(params.source); },
  troubles(params) { ({ troubles } = params); },
  tick(params) { ahead = params.now - Date.now() / 1000; },
  update(params) {
    const units = devices.get(params.source)?.units;
    if (!units) return;
    if (params.health.removed) { units.delete(params.unit); return; }
    if (!units.has(params.unit)) {
      units.set(params.unit, new Unit({ unit: params.unit, values: {}, time: null, past: null }));
    }
    const unit = units.get(params.unit);
    Object.assign(unit, params.health, { labels: params.labels });
    if (params.origin === 'live') {
      unit.interval = params.interval;
      for (const [series, value] of Object.entries(params.values)) unit.values.set(series, [value, params.time]);
      if (Object.keys(params.values).length) unit.time = params.time;
    }
    if (!unit.up) unit.values.clear();
  },
  expired(params) {
    const unit = devices.get(params.source)?.units.get(params.unit);
    for (const series of params.series) unit?.values.delete(series);
  },
  past(params) {
    const unit = devices.get(params.source)?.units.get(params.unit);
    if (unit) unit.past = params.past;
  },
  setting(params) { settings.ended(params); },
};

// -- the line to the server ------------------------------------------------------------------------

let socket = null;
let attempts = 0;
let calls = 0;
const waiting = new Map();

function call(method, params) {
  return new Promise((resolve, reject) => {
    if (socket?.readyState !== WebSocket.OPEN) {
      const since = lostSince ?? now();
      reject(new Error(t('lost', { time: clock(since), age: age(now() - since) })));
      return;
    }
    calls += 1;
    waiting.set(calls, { resolve, reject });
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: calls, method, params }));
  });
}

function hear(text) {
  heard = Date.now();
  lostSince = null;
  const said = JSON.parse(text);
  if (said.method) {
    TOLD[said.method]?.(said.params);
    draw();
    return;
  }
  const one = waiting.get(said.id);
  waiting.delete(said.id);
  if (said.error) {
    const error = new Error([said.error.message, said.error.data?.right].filter(Boolean).join(': '));
    one?.reject(Object.assign(error, { unheard: said.error.data?.state === 'unknown' }));
  } else one?.resolve(said.result);
}

function lose() {
  if (socket) { socket.onclose = null; socket.close(); socket = null; }
  lostSince ??= now();
  const error = new Error(t('lost', { time: clock(lostSince), age: age(0) }));
  for (const one of waiting.values()) one.reject(Object.assign(error, { unheard: true }));
  waiting.clear();
  settings.lost();
  for (const { unit } of all()) unit.values.clear();
  draw();
  setTimeout(connect, AGAIN_MS[Math.min(attempts, AGAIN_MS.length - 1)]);
  attempts += 1;
}

async function connect() {
  let right;
  try {
    right = (await (await fetch('/login')).json()).right;
  } catch {
    lose();
    return;
  }
  $('login').hidden = right !== 'none';
  $('logout').hidden = right === 'none';
  if (right === 'none') {
    $('unit').hidden = true;
    $('alerts').replaceChildren();
    return;
  }
  socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api`);
  heard = Date.now();
  socket.onopen = () => { attempts = 0; };
  socket.onmessage = (event) => hear(event.data);
  socket.onclose = lose;
}

async function enter(token) {
  const answer = await fetch('/login', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ token }),
  });
  if (answer.ok) await connect();
  return answer.ok;
}

// -- what is shown ---------------------------------------------------------------------------------

let due = false;
function draw() {
  if (due) return;
  due = true;
  // Not by requestAnimationFrame, which stands still in the background, with old values in sight.
  setTimeout(() => { due = false; drawAll(); }, 50);
}

function drawAll() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll('[data-text]')) say(element, t(element.dataset.text));
  say($('language'), t('other'));
  $('language').lang = language === 'de' ? 'en' : 'de';
  const entry = current();
  const known = $('login').hidden;
  $('unit').hidden = !known || !entry;
  $('empty').hidden = !known || Boolean(entry) || !told || lostSince !== null;
  show($('troubles'), troubles, () => troubles.map((text) => h('li', {}, text)));
  drawChoice(entry);
  drawAlerts(entry);
  if (!entry) return;
  say($('title'), name(entry));
  document.title = name(entry);
  drawNow(entry);
  drawToday(entry.unit);
  drawPast(entry.unit);
  drawBattery(entry.unit);
  drawStrings(entry.unit);
  drawQuality(entry);
  settings.draw(entry);
  drawValues(entry.unit);
}

function drawChoice(entry) {
  const found = all();
  $('choose').hidden = found.length < 2;
  show($('units'), found.map((one) => [key(one), name(one)]),
    () => found.map((one) => h('option', { value: key(one) }, name(one))));
  if (entry) $('units').value = key(entry);
}

function drawAlerts(entry) {
  const texts = [];
  if (lostSince !== null) texts.push(['lost', { time: clock(lostSince), age: age(now() - lostSince) }]);
  else if (entry && !entry.unit.up) {
    texts.push(['away', {
      name: name(entry), time: clock(entry.unit.since), age: age(now() - entry.unit.since), why: entry.unit.error,
    }]);
  }
  const box = $('alerts');
  // Said once, and not each time that it has become older.
  show(box, texts.map(([text]) => [text, entry && key(entry)]), () => texts.map(() => h('p', { class: 'banner bad' })));
  texts.forEach(([text, values], n) => say(box.children[n], t(text, values)));
}

const FLOWS = {
  pv: { series: 'inverter_power.pv_watts', x: 160, y: 34, text: 'sun' },
  output: { series: 'inverter_power.output_watts', x: 160, y: 34, text: 'output' },
  grid: { series: 'inverter_power.grid_watts', x: 44, y: 118, text: 'grid', plus: 'drawing', minus: 'feeding' },
  load: { series: 'inverter_power.load_watts', x: 276, y: 118, text: 'load', out: true },
  battery: { series: 'inverter_power.battery_watts', x: 160, y: 202, text: 'battery', plus: 'discharging', minus: 'charging' },
};
const MIDDLE = { x: 160, y: 118 };
const RADIUS = 32;

function powers(unit) {
  const found = Object.entries(FLOWS)
    .map(([flow, place]) => ({ flow, ...place, watts: unit.get(place.series) }))
    .filter((one) => one.watts !== undefined);
  // An inverter that tells what it gives, and not what the sun does.
  return found.filter((one) => one.flow !== 'output' || !found.some((other) => other.flow === 'pv'));
}

const sense = (one) => (Math.abs(one.watts) < STILL_W ? '' : one.watts > 0 ? one.plus : one.minus);

function charge(unit) {
  const towers = [...unit.parts('inverter_battery').values()].map((fields) => fields.soc_percent);
  return towers.find((value) => value !== undefined);
}

function drawNow(entry) {
  const { one, unit } = entry;
  const found = powers(unit);
  const soc = charge(unit);
  show($('flow'), [found.map((power) => [power.flow, watts(power.watts)]), soc], () => flowPicture(found, soc));
  const parts = found.map((power) => {
    const words = [t(power.text), watts(Math.abs(power.watts)), sense(power) && t(sense(power))];
    return words.filter(Boolean).join(' ') + (power.flow === 'battery' && soc !== undefined ? ` (${number(soc, 0)} %)` : '');
  });
  say($('flow_text'), parts.join(', ') || t('no_power'));
  say($('age'), unit.up && unit.values.size && unit.time
    ? t('as_of', { time: clock(unit.time), age: age(now() - unit.time) }) : '');
  drawState(one, unit);
}

function flowPicture(found, soc) {
  const ways = found.map((power) => {
    const length = Math.hypot(power.x - MIDDLE.x, power.y - MIDDLE.y);
    const [dx, dy] = [(MIDDLE.x - power.x) / length, (MIDDLE.y - power.y) / length];
    const from = { x: power.x + dx * RADIUS, y: power.y + dy * RADIUS };
    const to = { x: MIDDLE.x - dx * 12, y: MIDDLE.y - dy * 12 };
    const flows = Math.abs(power.watts) >= STILL_W;
    const inward = power.out ? power.watts < 0 : power.watts > 0;
    const d = `M${from.x} ${from.y}L${to.x} ${to.y}`;
    const sign = inward ? 1 : -1;
    const tip = { x: (from.x + to.x) / 2 + dx * 7 * sign, y: (from.y + to.y) / 2 + dy * 7 * sign };
    const wing = (side) => `${tip.x - dx * 14 * sign + dy * 8 * side} ${tip.y - dy * 14 * sign + dx * 8 * side}`;
    return s('g', {},
      s('path', { class: 'way', d }),
      s('path', { class: `power ${power.flow} ${flows ? (inward ? 'in' : 'out') : ''}`, d }),
      s('path', { class: `arrow ${power.flow} ${flows ? 'on' : ''}`, d: `M${tip.x} ${tip.y}L${wing(1)}L${wing(-1)}Z` }));
  });
  const nodes = found.map((power) => s('g', {},
    s('circle', { class: power.flow, cx: power.x, cy: power.y, r: RADIUS }),
    s('text', { class: 'name', x: power.x, y: power.y - 8 }, t(power.text)),
    s('text', { x: power.x, y: power.y + 8 }, watts(Math.abs(power.watts))),
    power.flow === 'battery' && soc !== undefined
      ? s('text', { class: 'name', x: power.x, y: power.y + 22 }, `${number(soc, 0)} %`) : null));
  return [...ways, s('circle', { class: 'way', cx: MIDDLE.x, cy: MIDDLE.y, r: 12 }), ...nodes];
}

// Active faults as numbers; null while none is known and not all words are.
function faults(unit) {
  const found = new Set();
  let complete = true;
  for (let word = 0; word < 4; word += 1) {
    const bits = unit.get(`inverter_status.fault_word_${word}`);
    complete &&= bits !== undefined;
    for (let bit = 0; bit < 32; bit += 1) if (((bits ?? 0) / 2 ** bit) % 2 >= 1) found.add(word * 32 + bit);
  }
  for (const [tags, fields] of unit.parts('inverter_fault')) if (fields.active) found.add(Number(tags.split('=')[1]));
  return found.size || complete ? [...found].sort((a, b) => a - b) : null;
}

const CODES = ['inverter_status.state_code', 'inverter_status.fault_code', 'inverter_status.warning_code'];

function drawState(one, unit) {
  const texts = CODES.map((series) => {
    const value = unit.get(series);
    if (value === undefined || (value === 0 && series !== CODES[0])) return '';
    return words(one).codes[series]?.[value] ?? `${t('state')} ${value}`;
  });
  const found = faults(unit);
  // The words of the device are English, whatever the page speaks.
  show($('state'), [texts, found?.length], () => [
    ...texts.filter(Boolean).map((text, n) => h('span', { lang: 'en' }, (n ? ', ' : '') + text)),
    found?.length === 0 ? `${texts.some(Boolean) ? ', ' : ''}${t('no_faults')}` : '',
  ]);
  show($('faults'), found, () => (found ?? []).map((bit) => h('li', {},
    t('fault', { number: bit, text: words(one).faults[bit] ?? t('unknown') }))));
}

function drawToday(unit) {
  const pairs = ['pv', 'output', 'load', 'grid_import', 'grid_export', 'external']
    .map((flow) => [t(`energy_${flow}`), unit.get(`inverter_energy{flow=${flow}}.day_watt_hours`)])
    .filter(([, value]) => value !== undefined)
    .map(([text, value]) => [text, wattHours(value)]);
  for (const [text, field] of [['autarky', 'autarky_percent'], ['self', 'self_consumption_percent']]) {
    const value = unit.get(`inverter_power.${field}`);
    if (value !== undefined) pairs.push([t(text), `${number(value, 0)} %`]);
  }
  $('c_today').hidden = !pairs.length;
  show($('today'), pairs, () => list(pairs));
}

// -- the last 24 hours -----------------------------------------------------------------------------

const hidden = new Set(JSON.parse(kept('hidden') ?? '[]'));
const AREA = { left: 40, right: 676, top: 8, bottom: 222 };
const MARGIN = 44; // right of it, for the percent
let cursor = null; // number of a mean; null for the last one that there is

function curvesOf(unit) {
  const values = unit.past?.values ?? {};
  return CURVES.filter((curve) => values[curve]?.some((value) => value !== null))
    .filter((curve) => curve !== 'output' || !values.pv?.some((value) => value !== null));
}

function drawPast(unit) {
  const curves = curvesOf(unit);
  $('c_past').hidden = !curves.length;
  if (!curves.length) return;
  show($('legend'), [curves, [...hidden]], () => curves.map((curve) => h('button', {
    type: 'button', 'aria-pressed': String(!hidden.has(curve)), 'data-curve': curve,
  }, s('svg', { viewBox: '0 0 26 10', 'aria-hidden': 'true' }, s('line', { class: curve, x1: 0, x2: 26, y1: 5, y2: 5 })), ` ${t(curve)}`)));
  const seen = curves.filter((curve) => !hidden.has(curve));
  const { values } = unit.past;
  const size = values[curves[0]].length;
  const last = values[curves[0]].map((_, n) => n).filter((n) => curves.some((curve) => values[curve][n] !== null)).pop();
  const at = Math.min(cursor ?? last, size - 1);
  // As wide as it is shown, so that its letters have the size of all others.
  AREA.right = ($('slider').clientWidth || 720) - MARGIN;
  $('graph').setAttribute('viewBox', `0 0 ${AREA.right + MARGIN} 250`);
  show($('graph'), [unit.past, seen, at, AREA.right], () => graph(unit.past, seen, at));
  const moment = clock(unit.past.begin + at * unit.past.step, false);
  const numbers = curves.map((curve) => {
    const value = values[curve][at];
    return `${t(curve)} ${value === null ? t('none') : curve === 'soc' ? `${number(value, 0)} %` : watts(value)}`;
  }).join(', ');
  const text = t('at', { time: moment, values: numbers });
  say($('reading'), text);
  const slider = $('slider');
  slider.setAttribute('aria-valuemax', size - 1);
  slider.setAttribute('aria-valuenow', at);
  slider.setAttribute('aria-valuetext', text);
  slider.title = t('cursor_help');
}

function graph(past, seen, at) {
  const size = Object.values(past.values)[0].length;
  const x = (n) => AREA.left + ((AREA.right - AREA.left) * n) / (size - 1);
  const numbers = seen.filter((curve) => curve !== 'soc').flatMap((curve) => past.values[curve]).filter((value) => value !== null);
  const [low, high] = [Math.min(0, ...numbers), Math.max(1000, ...numbers)];
  const step = [200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000].find((one) => (high - low) / one <= 6) ?? 500000;
  const [bottom, top] = [Math.floor(low / step) * step, Math.ceil(high / step) * step];
  const y = (value) => AREA.bottom - ((AREA.bottom - AREA.top) * (value - bottom)) / (top - bottom);
  const percent = (value) => AREA.bottom - ((AREA.bottom - AREA.top) * value) / 100;
  const parts = [];
  for (let value = bottom; value <= top; value += step) {
    parts.push(s('path', { class: value === 0 ? 'zero' : 'axis', d: `M${AREA.left} ${y(value)}H${AREA.right}` }),
      s('text', { class: 'left', x: AREA.left - 6, y: y(value) + 4 }, step < 1000 ? number(value / 1000, 1) : number(value / 1000, 0)));
  }
  parts.push(s('text', { x: 2, y: AREA.bottom + 22 }, 'kW'));
  if (seen.includes('soc')) {
    for (const value of [0, 50, 100]) parts.push(s('text', { x: AREA.right + 5, y: percent(value) + 4 }, `${value} %`));
  }
  for (let n = 0; n < size; n += 1) {
    const moment = new Date((past.begin + n * past.step) * 1000);
    if (moment.getMinutes() || moment.getHours() % (AREA.right < 500 ? 6 : 3)) continue;
    parts.push(s('path', { class: 'axis', d: `M${x(n)} ${AREA.bottom}v5` }),
      s('text', { class: 'middle', x: x(n), y: AREA.bottom + 20 }, String(moment.getHours()).padStart(2, '0')));
  }
  for (const curve of seen) {
    const place = curve === 'soc' ? percent : y;
    let pen = 'M';
    let d = '';
    past.values[curve].forEach((value, n) => {
      if (value === null) { pen = 'M'; return; }
      d += `${pen}${x(n).toFixed(1)} ${place(value).toFixed(1)}`;
      // A mean that stands alone would be no line.
      if (pen === 'M') d += 'h1';
      pen = 'L';
    });
    parts.push(s('path', { class: curve, d }));
  }
  parts.push(s('path', { class: 'cursor', d: `M${x(at)} ${AREA.top}V${AREA.bottom}` }));
  return parts;
}

function move(event) {
  const entry = current();
  const values = entry?.unit.past?.values;
  const size = values && Object.values(values)[0]?.length;
  if (!size) return;
  const before = Number($('slider').getAttribute('aria-valuenow'));
  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -12, PageUp: 12, Home: -size, End: size };
  if (event.type === 'keydown') {
    if (!(event.key in steps)) return;
    event.preventDefault();
    cursor = Math.max(0, Math.min(size - 1, before + steps[event.key]));
  } else {
    const box = $('graph').getBoundingClientRect();
    const place = event.clientX - box.left;
    cursor = Math.round(((place - AREA.left) / (AREA.right - AREA.left)) * (size - 1));
    cursor = Math.max(0, Math.min(size - 1, cursor));
  }
  draw();
}

// -- battery, generators, line ---------------------------------------------------------------------

function drawBattery(unit) {
  const towers = unit.parts('inverter_battery');
  const cells = unit.parts('inverter_battery_cell');
  const modules = unit.parts('inverter_battery_module');
  const volts = new Map([...cells].map(([tags, fields]) => [tags, fields.voltage_volts]).filter(([, value]) => value !== undefined));
  $('c_battery').hidden = ![...towers.values()].some((fields) => fields.soc_percent !== undefined || fields.voltage_volts !== undefined);
  if ($('c_battery').hidden) { $('battery').replaceChildren(); shown.delete($('battery')); return; }
  const facts = [...towers].map(([tags, fields]) => [tags, [
    ['soc', fields.soc_percent, (v) => `${number(v, 1)} %`],
    ['voltage', fields.voltage_volts, (v) => `${number(v, 1)} V`],
    ['current', fields.current_amperes, (v) => `${number(v, 1)} A`],
    ['temperature', fields.temperature_celsius, (v) => `${number(v, 1)} °C`],
    ['stored', fields.charge_watt_hours, wattHours],
    ['health', fields.soh_percent, (v) => `${number(v, 0)} %`],
    ['cycles', fields.cycles_total, (v) => number(v, 0)],
  ].filter(([, value]) => value !== undefined).map(([text, value, words]) => [text, words(value), value])]).filter(([, pairs]) => pairs.length);
  show($('battery'), [facts, [...volts], cells.size ? 0 : [...modules]], () => [
    ...facts.flatMap(([tags, pairs]) => {
      const soc = pairs.find(([text]) => text === 'soc');
      const number_ = tags.split('=')[1];
      const bar = soc ? h('div', { class: 'gauge', role: 'meter', 'aria-label': t('soc'), 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': Math.round(soc[2]), 'aria-valuetext': soc[1] }, h('div')) : null;
      if (bar) bar.firstChild.style.width = `${Math.max(0, Math.min(100, soc[2]))}%`;
      return [facts.length > 1 ? h('h3', {}, t('battery_n', { n: number_ })) : null, bar,
        h('dl', {}, ...list(pairs.map(([text, words]) => [t(text), words])))].filter(Boolean);
    }),
    ...(volts.size ? cellMap(volts) : modules.size ? moduleTable(modules) : []),
  ]);
}

function cellMap(volts) {
  const [low, high] = [Math.min(...volts.values()), Math.max(...volts.values())];
  const rows = new Map();
  for (const [tags, value] of volts) {
    const { battery, cell, module } = Object.fromEntries(tags.split(',').map((pair) => pair.split('=')));
    const row = `${battery}/${module}`;
    if (!rows.has(row)) rows.set(row, new Map());
    rows.get(row).set(Number(cell), value);
  }
  const numbers = [...new Set([...rows.values()].flatMap((row) => [...row.keys()]))].sort((a, b) => a - b);
  const several = new Set([...rows.keys()].map((row) => row.split('/')[0])).size > 1;
  const shade = (value) => (high > low ? Math.min(4, Math.floor(((value - low) / (high - low)) * 5)) : 2);
  const mark = (value) => (value === low ? '▼' : value === high ? '▲' : '');
  return [h('h3', {}, t('cells')), scroll(t('cells'), table([t('module'), ...numbers.map(String)],
    [...rows].map(([row, found]) => [several ? row : row.split('/')[1], ...numbers.map((cell) => {
      const value = found.get(cell);
      return value === undefined ? h('td', {}, '') : h('td', { class: `c${shade(value)}` }, `${mark(value)}${number(value, 3)}`);
    })]), 'cells')), h('p', { class: 'dim' }, t('cell_note'))];
}

function moduleTable(modules) {
  const rows = [...modules].filter(([, fields]) => fields.cell_minimum_volts !== undefined).map(([tags, fields]) => [
    Object.fromEntries(tags.split(',').map((pair) => pair.split('='))).module,
    ...['cell_minimum_volts', 'cell_maximum_volts', 'cell_spread_volts'].map((field) => (fields[field] === undefined ? undefined : number(fields[field], 3))),
  ]);
  return rows.length ? [h('h3', {}, t('cells')), scroll(t('cells'), table(['module', 'lowest', 'highest', 'spread'].map((text) => t(text)), rows))] : [];
}

// A table of those columns that have anything in them: of each its title, and how a value is written.
function columns(kinds, rows) {
  const seen = kinds.map((_, n) => n).filter((n) => rows.some((row) => row[n] !== undefined));
  return table(seen.map((n) => t(kinds[n][0])), rows.map((row) => seen.map((n) => {
    const [, words = String] = kinds[n];
    return row[n] === undefined ? undefined : words(row[n]);
  })));
}

function drawStrings(unit) {
  const strings = [...unit.parts('inverter_string')].map(([tags, f]) => [tags.split('=')[1].toUpperCase(),
    f.power_watts ?? f.estimated_watts, f.voltage_volts, f.current_amperes, f.energy_day_watt_hours])
    .filter(([, ...values]) => values.some((value) => value !== undefined));
  const optimizers = [...unit.parts('inverter_optimizer')].map(([tags, f]) => [tags.split('=')[1],
    f.power_watts, f.input_volts, f.energy_day_watt_hours, f.inner_celsius]);
  $('c_strings').hidden = !strings.length && !optimizers.length;
  show($('strings'), [strings, optimizers], () => [
    ...(strings.length ? [scroll(t('strings'), columns([['string'], ['power', watts], ['voltage', (v) => `${number(v, 0)} V`],
      ['current', (v) => `${number(v, 1)} A`], ['energy', wattHours]], strings))] : []),
    ...(optimizers.length ? [h('h3', {}, t('optimizers')), scroll(t('optimizers'), columns([['optimizer'], ['power', watts],
      ['voltage', (v) => `${number(v, 1)} V`], ['energy', wattHours], ['temperature', (v) => `${number(v, 0)} °C`]], optimizers))] : []),
  ]);
}

function drawQuality({ one, unit }) {
  const own = (field) => unit.get(`inverter_collector.${field}`);
  const pairs = [];
  const [asked, silent] = [own('requests_total'), own('timeouts_total')];
  if (asked && silent !== undefined) pairs.push([t('answered'), `${number(100 - (100 * silent) / asked, 1)} % (${number(asked - silent, 0)} / ${number(asked, 0)})`]);
  for (const [text, field] of [['timeouts', 'timeouts_total'], ['errors', 'errors_total'], ['implausible', 'implausible_total'], ['reconnects', 'reconnects_total']]) {
    if (own(field) !== undefined) pairs.push([t(text), number(own(field), 0)]);
  }
  if (own('answer_latency_seconds') !== undefined) pairs.push([t('latency'), `${number(own('answer_latency_seconds') * 1000, 0)} ms`]);
  if (own('poll_seconds') !== undefined) pairs.push([t('round'), `${number(own('poll_seconds'), 1)} s`]);
  if (unit.interval) pairs.push([t('every'), `${number(unit.interval, 0, 1)} s`]);
  if (one.collector.program) pairs.push([t('collector'), `${one.collector.program} ${one.collector.version}`]);
  show($('quality'), pairs, () => list(pairs));
}

function drawValues(unit) {
  if (!$('all').open) { $('all_values').replaceChildren(); shown.delete($('all_values')); return; }
  const rows = [...unit.values].map(([series, [value, time]]) => [series, typeof value === 'number' ? number(value, 0, 6) : value, clock(time)]);
  rows.sort((a, b) => a[0].localeCompare(b[0], 'en', { numeric: true }));
  show($('all_values'), rows, () => [scroll(t('all'), table(['metric', 'value', 'time'].map((text) => t(text)), rows))]);
}

// -- settings --------------------------------------------------------------------------------------

const settings = {
  of: null, // the device that is shown
  known: null, // what may be set there
  asked: null, // the setting that is asked about, and what it is to become
  pending: new Map(), // ticket → setting

  forget() { this.of = null; },

  async load(one) {
    this.of = one.source;
    this.known = null;
    if (!one.writes.length) return;
    try {
      let { settings: found } = await call('settings', { source: one.source });
      // Who may change something is to see what it is; that is asked of the inverter once.
      if (sets && found.some((item) => item.enabled && item.value === null)) {
        ({ settings: found } = await call('settings', { source: one.source, read: true }));
      }
      if (this.of === one.source) this.known = found;
    } catch (error) {
      if (this.of === one.source) say($('outcome'), error.message);
    }
    draw();
  },

  draw({ one }) {
    if (this.of !== one.source && lostSince === null) this.load(one);
    const items = (this.known ?? []).filter((item) => item.enabled);
    $('c_settings').hidden = !items.length;
    say($('settings_note'), sets ? '' : t('only_read'));
    show($('settings'), [one.source, items, sets], () => items.map((item) => this.row(item)));
  },

  row(item) {
    const label = item.unit ? `${item.title} (${item.unit})` : item.title;
    const id = `set_${item.name}`;
    const control = this.control(item, id);
    const button = h('button', { type: 'button', disabled: !sets, 'aria-label': `${t('change')}: ${label}`, onclick: () => this.ask(item, control) }, t('change'));
    return h('div', { class: 'setting', 'data-setting': item.name },
      h('label', { for: id, lang: 'en' }, label), h('div', { class: 'row' }, h('span', {}, this.words(item, item.value)), control, button));
  },

  control(item, id) {
    if (item.kind === 'number') {
      return h('input', { id, type: 'number', min: item.low, max: item.high, step: item.step || 'any', value: item.value ?? '', disabled: !sets, required: true });
    }
    const choices = item.kind === 'flag' && !item.choices?.length ? ['on', 'off'] : item.choices;
    const control = h('select', { id, disabled: !sets }, ...choices.map((choice) => h('option', { value: choice }, this.words(item, choice))));
    const present = item.value === true ? 'on' : item.value === false ? 'off' : item.value;
    if (present !== null && present !== undefined) control.value = present;
    return control;
  },

  words(item, value) {
    if (value === null || value === undefined) return t('not_known');
    if (value === true || value === 'on') return t('on');
    if (value === false || value === 'off') return t('off');
    return item.unit ? `${value} ${item.unit}` : String(value);
  },

  ask(item, control) {
    if (!control.reportValidity()) return;
    const flag = item.kind === 'flag' && !item.choices?.length;
    const value = item.kind === 'number' ? Number(control.value) : flag ? control.value === 'on' : control.value;
    this.asked = { item, value };
    say($('question_text'), t('ask', {
      title: item.title, name: this.of, before: this.words(item, item.value), after: this.words(item, value),
    }));
    $('question').showModal();
  },

  async set() {
    const { item, value } = this.asked;
    const source = this.of;
    const params = { source, name: item.name, value };
    if (item.value !== null && item.value !== undefined) params.expect = item.value;
    say($('outcome'), t('sending', { title: item.title }));
    try {
      const { ticket } = await call('set', params);
      this.pending.set(ticket, item);
    } catch (error) {
      const text = error.unheard ? 'unknown_outcome' : 'refused';
      say($('outcome'), t(text, { title: item.title, why: error.message }));
    }
  },

  lost() {
    for (const item of this.pending.values()) say($('outcome'), t('unknown_outcome', { title: item.title, why: '' }));
    this.pending.clear();
  },

  ended(params) {
    const item = this.pending.get(params.ticket) ?? this.known?.find((one) => one.name === params.name);
    this.pending.delete(params.ticket);
    if (!item || params.source !== this.of) return;
    const text = params.state === 'unknown' ? 'unknown_outcome' : params.state;
    say($('outcome'), t(text, { title: item.title, after: this.words(item, params.after), why: params.why }));
    if (params.after !== null && params.after !== undefined && this.known) {
      this.known = this.known.map((one) => (one.name === params.name ? { ...one, value: params.after } : one));
    }
  },
};

// -- what people do --------------------------------------------------------------------------------

$('units').addEventListener('change', (event) => {
  chosen = event.target.value;
  keep('unit', chosen);
  cursor = null;
  say($('outcome'), '');
  drawAll();
});
$('language').addEventListener('click', () => {
  language = language === 'de' ? 'en' : 'de';
  keep('language', language);
  drawAll();
});
$('logout').addEventListener('click', async () => {
  await fetch('/logout', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });
  location.reload();
});
$('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const right = await enter($('token').value.trim());
  say($('login_failed'), right ? '' : t('login_failed'));
  if (right) $('token').value = '';
});
$('legend').addEventListener('click', (event) => {
  const { curve } = event.target.closest('button')?.dataset ?? {};
  if (!curve) return;
  if (!hidden.delete(curve)) hidden.add(curve);
  keep('hidden', JSON.stringify([...hidden]));
  drawAll();
  $('legend').querySelector(`[data-curve=${curve}]`).focus();
});
for (const kind of ['keydown', 'pointerdown', 'pointermove']) $('slider').addEventListener(kind, move);
$('all').addEventListener('toggle', draw);
addEventListener('resize', draw);
$('no').addEventListener('click', () => $('question').close());
$('yes').addEventListener('click', () => { $('question').close(); settings.set(); });

// Ages go on, and a line that is dead without having ended is seen by its silence.
setInterval(() => {
  if (socket && Date.now() - heard > SILENCE_MS) lose();
  else draw();
}, 1000);

async function begin() {
  drawAll();
  families = await (await fetch('/words.json')).json();
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token !== null) {
    history.replaceState(null, '', location.pathname);
    if (await enter(token)) return;
    say($('login_failed'), t('login_failed'));
  }
  await connect();
}

begin();
