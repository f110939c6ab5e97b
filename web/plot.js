// SPDX-License-Identifier: Apache-2.0
import { html, useEffect, useRef } from './htm-preact.js';
import { number, short, time } from './format.js';
import { colour, onThemeChange } from './theme.js';

const kHeight = 240;
/** Seconds that the plot spans at least. */
const kSpan = 60;
/** Seconds between two lines of the grid; none less than one, the times would be the same. */
const kSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600];

function options(width) {
  const axis = {
    stroke: colour('muted'),
    grid: { stroke: colour('grid'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  return {
    width,
    height: kHeight,
    legend: { show: false },
    padding: [6, 34, 0, 0],
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    scales: {
      x: { range: (_, first, last) => [Math.min(first, last - kSpan), last] },
      y: { range: (_, low, high) => bounds(low, high) },
    },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map((at) => time(at * 1000)), incrs: kSteps,
        space: 90, size: 30 },
      { ...axis, values: (_, ticks) => ticks.map((at) => (Number.isInteger(at) ? short(at) : '')),
        size: 64 },
    ],
    series: [
      {},
      { label: 'highest', stroke: colour('highest'), width: 2, dash: [5, 4],
        points: { show: false } },
      { label: 'stable', stroke: colour('stable'), width: 2, fill: colour('stable-fill'),
        points: { show: false } },
    ],
  };
}

/** Room around the lines; a flat line stands in the middle of a few numbers. */
function bounds(low, high) {
  const span = Math.max(high - low, 8);
  return [Math.max(0, Math.floor(low - span * 0.1)), Math.ceil(high + span * 0.1)];
}

/** `history` is a list of {at, stable, highest}, oldest first, `at` in milliseconds. */
function columns(history) {
  return [
    history.map(({ at }) => at / 1000),
    history.map(({ highest }) => highest),
    history.map(({ stable }) => stable),
  ];
}

export function SequencePlot({ history }) {
  const place = useRef(null);
  const plot = useRef(null);
  const latest = useRef(history);
  latest.current = history;

  useEffect(() => {
    const draw = () => {
      plot.current?.destroy();
      plot.current = new window.uPlot(
        options(place.current.clientWidth), columns(latest.current), place.current);
    };
    draw();
    const resized = new ResizeObserver(() => plot.current.setSize(
      { width: place.current.clientWidth, height: kHeight }));
    resized.observe(place.current);
    const unwatch = onThemeChange(draw);
    return () => {
      unwatch();
      resized.disconnect();
      plot.current.destroy();
    };
  }, []);
  useEffect(() => { plot.current?.setData(columns(history)); }, [history]);

  const now = history.at(-1);
  const text = now
    ? `Stable sequence ${number(now.stable)} of highest ${number(now.highest)}` : 'No figures yet';
  return html`
    <div class="plot" role="img" aria-label=${text} ref=${place}></div>
    <p class="legend" aria-hidden="true">
      <span class="key stable"></span>Stable sequence
      <span class="key highest"></span>Highest sequence
    </p>`;
}
