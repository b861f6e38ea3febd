// The standalone page: what it is built from, and its body around the same component that the docs site has.

import CompatibilityMatrix from '../src/components/CompatibilityMatrix';
import type {CompatibilityMatrixProps} from '../src/components/CompatibilityMatrix';
import './page.css';

/** Where the page's own documents lie in it, and where its body does. */
export const DOCUMENTS = 'documents';
export const BODY = 'page';

export const TITLE = 'Claude Code Compatibility Matrix';

export function Page(props: CompatibilityMatrixProps) {
  return (
    <>
      <header>
        <h1>{TITLE}</h1>
        <p>
          Which Claude Code features work through LiteLLM, and on which provider: seen by running the real claude
          command through a real LiteLLM.
        </p>
      </header>
      <CompatibilityMatrix {...props} />
    </>
  );
}
