// What the standalone page runs in the browser: it takes over the table that is there already.

import {hydrateRoot} from 'react-dom/client';

import type {CompatibilityMatrixProps} from '../src/components/CompatibilityMatrix';
import {BODY, DOCUMENTS, Page} from './Page';

const body = document.getElementById(BODY);
const documents = document.getElementById(DOCUMENTS)?.textContent;
if (body && documents) hydrateRoot(body, <Page {...(JSON.parse(documents) as CompatibilityMatrixProps)} />);
