// Moments are told relative while they are recent, and exactly in the reader's own time zone.

import {describe, expect, it} from 'vitest';

import {absolute, inTimeZone, isStale, since} from '../times';
import {NOON} from './samples';

const MADE = '2026-01-31T12:00:00Z';
const MINUTES = 60_000;
const HOURS = 60 * MINUTES;

it('has the same absolute form whatever server and browser it is in', () => {
  expect(absolute(MADE)).toBe('31 Jan 2026, 12:00 UTC');
  expect(absolute('2026-11-09T05:06:54.123456Z')).toBe('9 Nov 2026, 05:06 UTC');
});

describe('since', () => {
  it.each([
    [0, 'just now'],
    [-30_000, 'just now'],
    [1 * MINUTES, '1 minute ago'],
    [59.9 * MINUTES, '59 minutes ago'],
    [1 * HOURS, '1 hour ago'],
    [2.9 * HOURS, '2 hours ago'],
    [24 * HOURS, '1 day ago'],
    [72 * HOURS, '3 days ago'],
    [72.1 * HOURS, '31 Jan 2026, 12:00 UTC'],
    [-2 * HOURS, '31 Jan 2026, 12:00 UTC'],
  ])('after %d ms says %s', (age, words) => {
    expect(since(MADE, NOON + age)).toBe(words);
  });

  it('is absolute while there is no present', () => {
    expect(since(MADE, null)).toBe('31 Jan 2026, 12:00 UTC');
  });
});

describe('a time zone', () => {
  it.each([
    ['2026-03-29T00:59:59Z', 'Europe/Berlin', /29 March 2026.* 01:59:59 (CET|GMT\+1) \(Europe\/Berlin\)/],
    ['2026-03-29T01:00:00Z', 'Europe/Berlin', /29 March 2026.* 03:00:00 (CEST|GMT\+2) \(Europe\/Berlin\)/],
    ['2026-10-25T00:30:00Z', 'Europe/Berlin', /25 October 2026.* 02:30:00 (CEST|GMT\+2)/],
    ['2026-10-25T01:30:00Z', 'Europe/Berlin', /25 October 2026.* 02:30:00 (CET|GMT\+1)/],
    ['2026-01-31T20:00:00Z', 'Asia/Kolkata', /1 February 2026.* 01:30:00 (IST|GMT\+5:30) \(Asia\/Kolkata\)/],
    ['2026-01-01T03:00:00Z', 'America/Los_Angeles', /31 December 2025.* 19:00:00 (PST|GMT-8)/],
    ['2026-01-31T12:00:00Z', 'UTC', /31 January 2026.* 12:00:00 UTC \(UTC\)/],
  ])('tells %s in %s', (moment, zone, words) => {
    expect(inTimeZone(moment, zone)).toMatch(words);
  });
});

it('is stale past three days, and never before the present is known', () => {
  expect(isStale(MADE, NOON + 72 * HOURS)).toBe(false);
  expect(isStale(MADE, NOON + 72 * HOURS + 1)).toBe(true);
  expect(isStale(MADE, null)).toBe(false);
});
