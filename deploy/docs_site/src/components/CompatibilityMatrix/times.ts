// Moments for people. Pure: the present and the time zone are told, never asked for.

export const STALE_AFTER_DAYS = 3;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** "21 Nov 2026, 16:58 UTC": the same on every server and in every browser, so that hydration finds what it expects. */
export function absolute(iso: string): string {
  const [, year, month, day, time] = /^(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d)/.exec(iso) ?? [];
  return `${Number(day)} ${MONTHS[Number(month) - 1]} ${year}, ${time} UTC`;
}

/** "2 hours ago" for what is recent, the absolute time for what is older, lies ahead, or while there is no present. */
export function since(iso: string, now: number | null): string {
  if (now === null) return absolute(iso);
  const age = now - Date.parse(iso);
  if (age < -MINUTE_MS || age > STALE_AFTER_DAYS * DAY_MS) return absolute(iso);
  if (age < MINUTE_MS) return 'just now';
  if (age < HOUR_MS) return ago(age / MINUTE_MS, 'minute');
  return age < DAY_MS ? ago(age / HOUR_MS, 'hour') : ago(age / DAY_MS, 'day');
}

/** The absolute time in a named time zone: "21 November 2026 at 17:58:58 CET (Europe/Berlin)". */
export function inTimeZone(iso: string, timeZone: string): string {
  const format = new Intl.DateTimeFormat('en-GB', {
    day: 'numeric', month: 'long', year: 'numeric',
    hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short', timeZone,
  });
  return `${format.format(Date.parse(iso))} (${timeZone})`;
}

export function isStale(iso: string, now: number | null): boolean {
  return now !== null && now - Date.parse(iso) > STALE_AFTER_DAYS * DAY_MS;
}

function ago(count: number, unit: string): string {
  const whole = Math.floor(count);
  return `${whole} ${unit}${whole === 1 ? '' : 's'} ago`;
}
