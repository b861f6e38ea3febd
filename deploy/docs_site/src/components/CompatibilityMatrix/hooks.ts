// What the page knows of the browser: the present, and its own address. Neither exists before it is mounted.

import {useCallback, useEffect, useLayoutEffect, useRef, useState} from 'react';

import {PLAIN, readAddress, written} from './address';
import type {Address} from './address';
import type {Matrix} from './model';

const TICK_MS = 60_000;

/** Milliseconds since the epoch, to the minute; null on the server and at first paint. */
export function useNow(): number | null {
  const [now, setNow] = useState<number | null>(null);
  useEffect(() => {
    const tick = () => setNow(Date.now());
    tick();
    const timer = setInterval(tick, TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** What the page's address asks to see, and how to change that. */
export function useAddress(matrix: Matrix): [Address, (change: Partial<Address>) => void] {
  const [address, setAddress] = useState(PLAIN);
  const latest = useRef(address);
  const see = useCallback((next: Address) => {
    latest.current = next;
    setAddress(next);
  }, []);
  useLayoutEffect(() => {
    const read = () => see(readAddress(window.location, matrix));
    if (window.location.search || window.location.hash) read();
    window.addEventListener('hashchange', read);
    window.addEventListener('popstate', read);
    return () => {
      window.removeEventListener('hashchange', read);
      window.removeEventListener('popstate', read);
    };
  }, [matrix, see]);
  const change = useCallback(
    (part: Partial<Address>) => {
      see({...latest.current, ...part});
      try {
        const {pathname} = window.location;
        window.history.replaceState(window.history.state, '', pathname + written(latest.current, window.location));
      } catch {
        // A sandboxed frame may not, and no page may very often: all but the link works on.
      }
    },
    [see],
  );
  return [address, change];
}
