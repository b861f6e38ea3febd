// Every text colour stands out from every ground that it is on: WCAG 2.2 AA, in both themes.

import {readFileSync} from 'node:fs';
import {join} from 'node:path';

import {expect, it} from 'vitest';

const CSS = readFileSync(join(import.meta.dirname, '../styles.module.css'), 'utf8');
const COLOURS = new Map(
  [...CSS.matchAll(/--matrix-([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(([, name = '', ...pair]) => [name, pair]),
);
const GROUNDS: Readonly<Record<string, readonly string[]>> = {
  text: ['surface', 'raised', 'open-ground', 'fail-ground'],
  muted: ['surface', 'raised'],
  accent: ['surface', 'raised'],
  pass: ['pass-ground', 'surface', 'raised'],
  fail: ['fail-ground', 'surface', 'raised'],
  none: ['none-ground', 'surface'],
  open: ['open-ground', 'surface'],
};
const TEXT_RATIO = 4.5;
const CONTROL_RATIO = 3;

const pairs = Object.entries(GROUNDS).flatMap(([ink, grounds]) => grounds.map((ground) => [ink, ground] as const));

it.each(pairs)('%s on %s', (ink, ground) => {
  for (const theme of [0, 1]) expect(contrast(colour(ink, theme), colour(ground, theme))).toBeGreaterThan(TEXT_RATIO);
});

it('the edge of a control', () => {
  for (const theme of [0, 1]) {
    expect(contrast(colour('control', theme), colour('surface', theme))).toBeGreaterThan(CONTROL_RATIO);
  }
});

function colour(name: string, theme: number): string {
  return COLOURS.get(name)?.[theme] ?? `there is no ${name}`;
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(hex: string): number {
  const [red = NaN, green = NaN, blue = NaN] = [1, 3, 5].map((at) => {
    const channel = parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
