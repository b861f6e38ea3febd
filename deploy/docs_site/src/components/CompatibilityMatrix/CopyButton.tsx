// A button that copies a text, and says whether it could.

import {useEffect, useState} from 'react';
import type {ReactNode} from 'react';

import styles from './styles.module.css';

const SHOWN_MS = 2500;

interface Props {
  readonly text: () => string;
  readonly label?: string;
  readonly children: ReactNode;
}

export function CopyButton({text, label, children}: Props) {
  const [outcome, setOutcome] = useState('');
  useEffect(() => {
    const timer = outcome ? setTimeout(() => setOutcome(''), SHOWN_MS) : undefined;
    return () => clearTimeout(timer);
  }, [outcome]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      setOutcome('Copied');
    } catch {
      setOutcome('The browser does not allow that here');
    }
  };
  return (
    <span className={styles.copy}>
      <button type="button" className={styles.button} aria-label={label} onClick={copy}>
        {children}
      </button>
      <span role="status">{outcome}</span>
    </span>
  );
}
