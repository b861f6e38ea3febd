// Becomes render.mjs: {"matrix", "details", "links"} as JSON on standard input, one complete HTML page on standard output.

import {createHash} from 'node:crypto';
import {text} from 'node:stream/consumers';
import {renderToString} from 'react-dom/server';

import type {CompatibilityMatrixProps} from '../src/components/CompatibilityMatrix';
import {readDetails} from '../src/components/CompatibilityMatrix/documents';
import {BODY, DOCUMENTS, Page, TITLE} from './Page';

declare const CLIENT_SCRIPT: string;
declare const STYLES: string;

function page(documents: CompatibilityMatrixProps): string {
  const allowed = [
    "default-src 'none'",
    `script-src '${digest(CLIENT_SCRIPT)}'`,
    `style-src '${digest(STYLES)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${allowed.join('; ')}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${TITLE}</title>
<style>${STYLES}</style>
</head>
<body>
<main id="${BODY}">${renderToString(<Page {...documents} />)}</main>
<script type="application/json" id="${DOCUMENTS}">${JSON.stringify(documents).replaceAll('<', '\\u003c')}</script>
<script type="module">${CLIENT_SCRIPT}</script>
</body>
</html>
`;
}

function digest(inline: string): string {
  return `sha256-${createHash('sha256').update(inline).digest('base64')}`;
}

/** The documents with no more of the details than the page shows. */
function slim({matrix, details = null, links = null}: CompatibilityMatrixProps): CompatibilityMatrixProps {
  const read = readDetails(details);
  return {matrix, details: 'document' in read ? read.document : details, links};
}

process.stdout.write(page(slim(JSON.parse(await text(process.stdin)) as CompatibilityMatrixProps)));
