// Which versions the matrix is of, and how old it is; with a notice once it is too old.

import {Explanation, useExplained} from './Explanation';
import type {Matrix} from './model';
import styles from './styles.module.css';
import {STALE_AFTER_DAYS, inTimeZone, isStale, since} from './times';

interface Props {
  readonly matrix: Matrix;
  readonly now: number | null;
}

export function Banner({matrix, now}: Props) {
  return (
    <>
      <dl className={styles.banner}>
        <div>
          <dt>LiteLLM</dt>
          <dd>{matrix.litellm}</dd>
        </div>
        <div>
          <dt>Claude Code</dt>
          <dd>{matrix.claudeCode}</dd>
        </div>
        <div>
          <dt>Last updated</dt>
          <dd>
            <Updated iso={matrix.generatedAt} now={now} />
          </dd>
        </div>
        {matrix.upstream && (
          <div>
            <dt>Providers</dt>
            <dd>{matrix.upstream === 'live' ? 'Live' : 'Emulated'}</dd>
          </div>
        )}
      </dl>
      {matrix.upstream === 'emulated' && (
        <p className={styles.quiet}>
          The providers were emulated: a pass proves how LiteLLM translates, by the rules each provider is known to
          follow, and not how the provider itself answers.
        </p>
      )}
      {isStale(matrix.generatedAt, now) && (
        <p className={styles.notice} role="note">
          <strong>This matrix is more than {STALE_AFTER_DAYS} days old.</strong> It is normally made anew every day, so
          newer versions of LiteLLM and Claude Code may behave otherwise.
        </p>
      )}
    </>
  );
}

function Updated({iso, now}: {readonly iso: string; readonly now: number | null}) {
  const explained = useExplained('button');
  return (
    <>
      <span {...explained.events}>
        <button type="button" className={styles.updated} onClick={(event) => explained.show(event.currentTarget)}>
          <time dateTime={iso}>{since(iso, now)}</time>
        </button>
      </span>
      {explained.anchor && (
        <Explanation of={explained}>
          {inTimeZone(iso, Intl.DateTimeFormat().resolvedOptions().timeZone)}
          <small>Your time zone</small>
        </Explanation>
      )}
    </>
  );
}
