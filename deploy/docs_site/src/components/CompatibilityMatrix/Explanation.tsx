// The explanation of a cell or a time: on hover and on keyboard focus, beside what it explains; Escape closes it.

import {useCallback, useEffect, useId, useLayoutEffect, useRef, useState} from 'react';
import type {FocusEvent, PointerEvent, ReactNode} from 'react';

import styles from './styles.module.css';

const GRACE_MS = 150;
const GAP_PX = 6;

/** Which of the elements that match `selector`, below the one that gets the `events`, is to be explained now. */
export function useExplained(selector: string) {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const leaving = useRef<ReturnType<typeof setTimeout>>(undefined);
  const stay = useCallback(() => clearTimeout(leaving.current), []);
  const hide = useCallback(() => {
    stay();
    setAnchor(null);
  }, [stay]);
  const leave = useCallback(() => {
    stay();
    leaving.current = setTimeout(hide, GRACE_MS);
  }, [hide, stay]);
  const show = useCallback(
    (target: EventTarget) => {
      const found = target instanceof Element ? target.closest<HTMLElement>(selector) : null;
      if (!found) return leave();
      stay();
      setAnchor(found);
    },
    [leave, selector, stay],
  );
  useEffect(() => stay, [stay]);
  const events = {
    onPointerOver: (event: PointerEvent) => event.pointerType !== 'touch' && show(event.target),
    onPointerLeave: leave,
    onFocus: (event: FocusEvent) => event.target.matches(':focus-visible') && show(event.target),
    onBlur: hide,
  };
  return {anchor, events, show, hide, stay, leave};
}

interface Props {
  readonly of: ReturnType<typeof useExplained>;
  readonly children: ReactNode;
}

/** The explanation itself; it is the accessible description of its anchor while it is there. */
export function Explanation({of: {anchor, hide, stay, leave}, children}: Props) {
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    const shown = box.current;
    if (!shown || !anchor) return;
    const follow = () => place(shown, anchor);
    const close = (event: KeyboardEvent) => event.key === 'Escape' && hide();
    // The top layer is where nothing that scrolls cuts it off.
    shown.setAttribute('popover', 'manual');
    shown.showPopover?.();
    follow();
    anchor.setAttribute('aria-describedby', id);
    window.addEventListener('scroll', follow, true);
    window.addEventListener('resize', follow);
    document.addEventListener('keydown', close);
    return () => {
      anchor.removeAttribute('aria-describedby');
      window.removeEventListener('scroll', follow, true);
      window.removeEventListener('resize', follow);
      document.removeEventListener('keydown', close);
    };
  }, [anchor, hide, id]);
  return (
    <div
      ref={box} id={id} role="tooltip" className={styles.explanation} onPointerEnter={stay} onPointerLeave={leave}
    >
      {children}
    </div>
  );
}

/** Below the anchor, or above where there is more room, and within the window. */
function place(box: HTMLElement, anchor: HTMLElement): void {
  const {left, top, bottom, width} = anchor.getBoundingClientRect();
  const room = document.documentElement.clientWidth - box.offsetWidth - GAP_PX;
  const below = bottom + GAP_PX;
  const fits = below + box.offsetHeight <= window.innerHeight || top < window.innerHeight - bottom;
  box.style.left = `${Math.max(GAP_PX, Math.min(left + (width - box.offsetWidth) / 2, room))}px`;
  box.style.top = `${fits ? below : Math.max(GAP_PX, top - GAP_PX - box.offsetHeight)}px`;
}
