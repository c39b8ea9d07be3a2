/** The bar chart of the README, as plain SVG that reads on light and dark pages. */
import { writeFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { LABELS } from '../variants/names.mjs';

const WIDTH = 760;
const LABEL = 290;
const BAR = 26;
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .note { font-size: 12px; fill: #59636e }
  .bar { fill: #8c959f } .own { fill: #0969da } .line { stroke: #1f2328; stroke-width: 1.5; opacity: 0.7 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .note { fill: #9198a1 }
    .bar { fill: #656c76 } .own { fill: #4493f8 } .line { stroke: #f0f6fc }
  }`;

export function writeChart(path, results) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, chart(results));
}

/** Requests a second for a right TOTP code, with the spread of the rounds, at the highest number in flight. */
export function chart({ results, machine, date, run }) {
  const right = results.filter(({ scenario }) => scenario === 'totpRight');
  const inFlight = Math.max(...right.map((row) => row.inFlight));
  const rows = right.filter((row) => row.inFlight === inFlight);
  const most = Math.max(...rows.map(({ throughput }) => throughput.max));
  const scale = (value) => (value / most) * (WIDTH - LABEL - 70);
  const height = 92 + rows.length * (BAR + 12);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title">`,
    `<style>${STYLE}\n</style>`,
    `<text id="title" class="title" x="0" y="20">Verifications a second over HTTP, ${inFlight} in flight</text>`,
    `<text class="note" x="0" y="40">${machine.name}; median of ${run.rounds} interleaved rounds, the line is their spread; ${date}</text>`,
    ...rows.map((row, index) => barOf(row, 58 + index * (BAR + 12), scale)),
    `<text class="note" x="0" y="${height - 10}">The floor checks a code and marks its step, nothing more: no attempt budget, no single-use token.</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function barOf({ variant, throughput: { median, min, max } }, y, scale) {
  const own = ['fastify', 'express'].includes(variant) ? 'own' : 'bar';
  const middle = y + BAR / 2;
  const x = (value) => (LABEL + scale(value)).toFixed(1);
  return [
    `<text x="${LABEL - 10}" y="${middle + 5}" text-anchor="end">${LABELS[variant]}</text>`,
    `<rect class="${own}" x="${LABEL}" y="${y}" width="${scale(median).toFixed(1)}" height="${BAR}" rx="3"/>`,
    `<path class="line" d="M${x(min)} ${middle}H${x(max)}M${x(min)} ${middle - 5}v10M${x(max)} ${middle - 5}v10" fill="none"/>`,
    `<text x="${Number(x(max)) + 8}" y="${middle + 5}">${Math.round(median)}</text>`,
  ].join('\n');
}
