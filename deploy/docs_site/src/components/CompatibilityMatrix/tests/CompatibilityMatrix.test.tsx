// @vitest-environment happy-dom
// The component as a reader meets it: by role and name, with a clock and a time zone of the test's own.

import {act, cleanup, fireEvent, render, screen, within} from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import {StrictMode} from 'react';
import {renderToString} from 'react-dom/server';
import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest';

import CompatibilityMatrix from '..';
import {NOON, detailsJson, large, matrixJson, MARKDOWN} from './samples';

const HOURS = 3_600_000;

beforeEach(() => {
  vi.useFakeTimers({now: NOON + 2 * HOURS, toFake: ['Date', 'setInterval', 'clearInterval']});
  window.history.replaceState(null, '', '/');
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const cell = (name: string | RegExp) => screen.getByRole('button', {name});
const FAILED = 'Fail, flaky: Tool use on Anthropic';

describe('the table', () => {
  it('has a header for every row and column, and a status in words in every cell', () => {
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    const table = screen.getByRole('table', {name: /Claude Code features by provider/});
    expect(within(table).getAllByRole('columnheader').map((header) => header.textContent)).toEqual([
      'Feature', 'Anthropic', 'Azure',
    ]);
    expect(within(table).getAllByRole('row').slice(1).map((row) => row.textContent)).toEqual([
      'Tool use✗Fail—Not applicable', 'Vision✓Pass?Not tested',
    ]);
    for (const header of within(table).getAllByRole('rowheader')) expect(header).toHaveAttribute('scope', 'row');
  });

  it('has one dot for each model where the details are there', () => {
    render(<CompatibilityMatrix matrix={matrixJson()} details={detailsJson()} />);
    const dots = [...cell(FAILED).querySelectorAll('i')].map((dot) => dot.dataset.status);
    expect(dots).toEqual(['pass', 'fail']);
  });

  it.each([
    ['of another schema', {...matrixJson(), schema_version: '2'}, /schema_version is "2", not "1"/],
    ['that is malformed', {...matrixJson(), features: 'none'}, /features is no list/],
    ['that is missing', undefined, /the document is no object/],
  ])('gives way to a placeholder for a document %s', (_, matrix, words) => {
    render(<CompatibilityMatrix matrix={matrix} details={detailsJson()} />);
    expect(screen.getByRole('alert')).toHaveTextContent(words);
    expect(screen.queryByRole('table')).toBeNull();
  });

  it('stands without details that are of another run, and says so', () => {
    render(<CompatibilityMatrix matrix={matrixJson()} details={{...detailsJson(), litellm_version: 'v2'}} />);
    expect(screen.getByText(/The details of this matrix cannot be shown: they tell of another run/)).toBeVisible();
    expect(cell('Fail: Tool use on Anthropic').querySelector('i')).toBeNull();
  });
});

describe('the banner', () => {
  const updated = () => screen.getByText(/ago$|UTC$|just now/, {selector: 'time'});

  it('tells both versions, and how long ago that was', () => {
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    expect(screen.getByText('v1.83.0-stable')).toBeVisible();
    expect(screen.getByText('2.1.120')).toBeVisible();
    expect(updated()).toHaveTextContent('2 hours ago');
    expect(updated()).toHaveAttribute('datetime', '2026-01-31T12:00:00Z');
  });

  it('goes with the time', () => {
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    act(() => void vi.advanceTimersByTime(HOURS));
    expect(updated()).toHaveTextContent('3 hours ago');
  });

  it('tells the time in the reader\'s own time zone on focus, and Escape closes that', async () => {
    const zone = vi.spyOn(Intl.DateTimeFormat.prototype, 'resolvedOptions');
    zone.mockReturnValue({timeZone: 'Asia/Kolkata'} as Intl.ResolvedDateTimeFormatOptions);
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    const button = screen.getByRole('button', {name: '2 hours ago'});
    act(() => button.focus());
    expect(button).toHaveAccessibleDescription(/31 January 2026.*17:30:00 .*\(Asia\/Kolkata\).*Your time zone/);
    await userEvent.keyboard('{Escape}');
    expect(screen.queryByRole('tooltip')).toBeNull();
  });

  it('is absolute, with a notice, past three days', () => {
    vi.setSystemTime(NOON + 73 * HOURS);
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    expect(updated()).toHaveTextContent('31 Jan 2026, 12:00 UTC');
    expect(screen.getByRole('note')).toHaveTextContent('more than 3 days old');
  });

  it('says that the providers were emulated', () => {
    render(<CompatibilityMatrix matrix={matrixJson()} details={detailsJson()} />);
    expect(screen.getByText(/The providers were emulated/)).toBeVisible();
  });

  it('says nothing of the kind about live ones', () => {
    render(<CompatibilityMatrix matrix={matrixJson()} details={{...detailsJson(), upstream: 'live'}} />);
    expect(screen.getByText('Live')).toBeVisible();
    expect(screen.queryByText(/emulated/)).toBeNull();
  });
});

describe('first paint', () => {
  it('is the same on the server and in the browser, without a present or an address', () => {
    window.history.replaceState(null, '', '/?status=fail#cell=tool_use|azure');
    const page = <CompatibilityMatrix matrix={matrixJson()} details={detailsJson()} links={{feed: 'changes.atom'}} />;
    vi.spyOn(console, 'error').mockImplementation(() => undefined);  // React 18 warns of useLayoutEffect on a server.
    const place = document.createElement('div');
    place.innerHTML = renderToString(page);
    vi.mocked(console.error).mockClear();
    expect(within(place).getAllByRole('row', {hidden: true})).toHaveLength(3);
    expect(place).toHaveTextContent('31 Jan 2026, 12:00 UTC');
    document.body.append(place);
    const complaints: unknown[] = [];
    render(page, {container: place, hydrate: true, onRecoverableError: (error) => complaints.push(error)});
    expect([complaints, vi.mocked(console.error).mock.calls]).toEqual([[], []]);
    expect(within(place).getAllByRole('row', {hidden: true})).toHaveLength(2);
  });
});

describe('an explanation', () => {
  it('is shown on hover, stays while it is hovered itself, and then goes', () => {
    vi.useFakeTimers();
    const later = () => act(() => void vi.advanceTimersByTime(1000));
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    fireEvent.pointerOver(cell('Fail: Tool use on Anthropic'), {pointerType: 'mouse'});
    expect(screen.getByRole('tooltip')).toHaveTextContent('“Extra inputs” – refusé: <400> & 日本');
    fireEvent.pointerLeave(cell('Fail: Tool use on Anthropic'));
    fireEvent.pointerEnter(screen.getByRole('tooltip'));
    later();
    expect(screen.getByRole('tooltip')).toBeVisible();
    fireEvent.pointerLeave(screen.getByRole('tooltip'));
    later();
    expect(screen.queryByRole('tooltip')).toBeNull();
  });

  it('does not get in the way of a finger', () => {
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    fireEvent.pointerOver(cell('Fail: Tool use on Anthropic'), {pointerType: 'touch'});
    expect(screen.queryByRole('tooltip')).toBeNull();
  });

  it.each([
    ['Fail: Tool use on Anthropic', /“Extra inputs”/],
    ['Not applicable: Tool use on Azure', 'Azure has no tools'],
    ['Pass: Vision on Anthropic', 'Tested & passing.'],
    ['Not tested: Vision on Azure', 'No test for this combination yet.'],
  ])('describes the focused cell: %s', (name, words) => {
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    act(() => cell(name).focus());
    expect(cell(name)).toHaveAccessibleDescription(words);
    act(() => cell(name).blur());
    expect(cell(name)).not.toHaveAttribute('aria-describedby');
  });

  it('goes with Escape', async () => {
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    await userEvent.hover(cell('Pass: Vision on Anthropic'));
    await userEvent.keyboard('{Escape}');
    expect(screen.queryByRole('tooltip')).toBeNull();
  });

  it('shows HTML in an error as text', () => {
    const json = matrixJson();
    json.features[0].providers.anthropic.error = '<img src=x onerror=alert(1)> <b>bold</b>';
    const {container} = render(<CompatibilityMatrix matrix={json} />);
    act(() => cell('Fail: Tool use on Anthropic').focus());
    expect(screen.getByRole('tooltip')).toHaveTextContent('<img src=x onerror=alert(1)> <b>bold</b>');
    expect(container.querySelector('img, b')).toBeNull();
  });

  it('says whose fault it was, that it is known and that it is flaky', () => {
    render(<CompatibilityMatrix matrix={matrixJson()} details={detailsJson()} />);
    act(() => cell(FAILED).focus());
    expect(cell(FAILED)).toHaveAccessibleDescription(
      /Claude Opus 4.7: the tool input arrived empty.*Cause: LiteLLM.*Both passed and failed: Claude Haiku 4.5.*Known issue/,
    );
  });
});

describe('the keyboard', () => {
  it('reaches one cell with Tab, and the others with the arrow keys', async () => {
    const user = userEvent.setup();
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    act(() => screen.getByRole('region', {name: 'Compatibility matrix'}).focus());
    await user.tab();
    expect(cell('Fail: Tool use on Anthropic')).toHaveFocus();
    await user.keyboard('{ArrowRight}{ArrowDown}');
    expect(cell('Not tested: Vision on Azure')).toHaveFocus();
    await user.keyboard('{ArrowDown}{Home}');
    expect(cell('Pass: Vision on Anthropic')).toHaveFocus();
    await user.keyboard('{Control>}{Home}{/Control}{End}');
    expect(cell('Not applicable: Tool use on Azure')).toHaveFocus();
    await user.tab();
    await user.tab({shift: true});
    expect(cell('Not applicable: Tool use on Azure')).toHaveFocus();
  });
});

describe('the panel of a cell', () => {
  it('tells all that is known of each model, under an address of its own', async () => {
    const user = userEvent.setup();
    render(<CompatibilityMatrix matrix={matrixJson()} details={detailsJson()} />);
    await user.click(cell(FAILED));
    const panel = screen.getByRole('dialog', {name: 'Tool use on Anthropic'});
    expect(window.location.hash).toBe('#cell=tool_use|anthropic');
    const [haiku, opus] = within(panel).getAllByRole('heading', {level: 3}).map((heading) => heading.closest('li'));
    expect(haiku).toHaveTextContent(/Claude Haiku 4\.5 Pass.*Attempts2.*FlakyIt both passed and failed/);
    expect(opus).toHaveTextContent(/Claude Opus 4\.7 Fail.*the tool input arrived empty.*CauseLiteLLM/);
    expect(opus).toHaveTextContent(/Judged2 hours ago \(31 Jan 2026, 12:00 UTC\)/);
    expect(opus).toHaveTextContent(/Known issuethe input of a tool is lost ana, until 2026-01-31/);
    expect(opus).toHaveTextContent(/Last negative control1 day ago/);
    expect(opus).toHaveTextContent(/Still openprovider: 529 Overloaded.*Findingssent twice/);
    expect(opus).toHaveTextContent(`compat evidence ${'a'.repeat(12)}`);
    expect(within(panel).getByRole('link', {name: 'the input of a tool is lost'})).toHaveAttribute(
      'href', 'https://example.test/issues/7',
    );
    expect(panel).toHaveTextContent(/compat gate --litellm v1\.83\.0-stable .* --cells 'tool_use\|anthropic\/\*'/);
    await user.click(within(panel).getByRole('button', {name: 'Close'}));
    await vi.waitFor(() => expect(screen.queryByRole('dialog')).toBeNull(), {timeout: 60_000});
    expect(window.location.hash).toBe('');
  });

  it('is complete with the matrix alone', async () => {
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    await userEvent.click(cell('Not applicable: Tool use on Azure'));
    expect(screen.getByRole('dialog')).toHaveTextContent(/Not applicable.*Azure has no tools.*LiteLLM v1\.83\.0-stable/);
    expect(screen.getByRole('dialog')).not.toHaveTextContent('compat gate');
  });

  it('opens from its link, and follows it', () => {
    window.history.replaceState(null, '', '/#cell=vision%7Canthropic');
    render(<CompatibilityMatrix matrix={matrixJson()} details={detailsJson()} />);
    expect(screen.getByRole('dialog', {name: 'Vision on Anthropic'})).toHaveTextContent(/Not published as it is here: row vision/);
    act(() => {
      window.history.replaceState(null, '', '/#cell=vision|azure');
      window.dispatchEvent(new HashChangeEvent('hashchange'));
    });
    expect(screen.getByRole('dialog', {name: 'Vision on Azure'})).toBeVisible();
  });

  it('links to nothing but web pages', async () => {
    const details = detailsJson();
    details.cells[1].known_issue.issue = 'javascript:alert(1)';
    render(<CompatibilityMatrix matrix={matrixJson()} details={details} />);
    await userEvent.click(cell(FAILED));
    expect(screen.getByRole('dialog')).toHaveTextContent('the input of a tool is lost (javascript:alert(1))');
    expect(screen.queryByRole('link', {name: /lost/})).toBeNull();
  });
});

describe('filters', () => {
  const rows = () => screen.getAllByRole('rowheader').map((header) => header.textContent);
  const columns = () => screen.getAllByRole('columnheader').map((header) => header.textContent);

  it('are the legend\'s counts', async () => {
    const user = userEvent.setup();
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    const legend = screen.getByRole('group', {name: 'Show cells by status'});
    const statuses = within(legend).getAllByRole('button');
    expect(statuses.map((button) => button.textContent)).toEqual([
      '✓ Pass 1', '✗ Fail 1', '— Not applicable 1', '? Not tested 1',
    ]);
    await user.click(within(legend).getByRole('button', {name: 'Fail 1'}));
    expect(rows()).toEqual(['Tool use']);
    expect(cell('Fail: Tool use on Anthropic')).not.toHaveAttribute('data-quiet');
    expect(cell('Not applicable: Tool use on Azure')).toHaveAttribute('data-quiet');
    expect(window.location.search).toBe('?status=fail');
    await user.click(within(legend).getByRole('button', {name: 'Fail 1', pressed: true}));
    expect(rows()).toEqual(['Tool use', 'Vision']);
    expect(window.location.search).toBe('');
  });

  it('survive a reload', () => {
    window.history.replaceState(null, '', '/?theme=x&provider=azure&status=not_tested');
    const first = render(<StrictMode><CompatibilityMatrix matrix={matrixJson()} /></StrictMode>);
    expect([rows(), columns()]).toEqual([['Vision'], ['Feature', 'Azure']]);
    expect(screen.getByRole('button', {name: 'Azure', pressed: true})).toBeVisible();
    expect(screen.getAllByRole('status').map((status) => status.textContent)).toContain('1 of 2 features, 1 of 2 providers.');
    first.unmount();
    expect(window.location.search).toBe('?theme=x&provider=azure&status=not_tested');
  });

  it('find a feature, and can all be taken back', async () => {
    const user = userEvent.setup();
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    await user.click(screen.getByText('Filter and compare'));
    await user.type(screen.getByRole('searchbox', {name: 'Feature'}), 'vis');
    expect(rows()).toEqual(['Vision']);
    await user.type(screen.getByRole('searchbox', {name: 'Feature'}), 'x');
    expect(screen.queryByRole('table')).toBeNull();
    await user.click(screen.getAllByRole('button', {name: 'Show everything'})[0]!);
    expect(rows()).toEqual(['Tool use', 'Vision']);
  });

  it('show the verdicts of one model', async () => {
    render(<CompatibilityMatrix matrix={matrixJson()} details={detailsJson()} />);
    await userEvent.selectOptions(screen.getByRole('combobox', {name: 'Model', hidden: true}), 'Claude Haiku 4.5');
    expect(cell('Pass, flaky: Tool use on Anthropic')).toBeVisible();
    expect(window.location.search).toBe('?model=claude-haiku-4-5');
  });

  it('offer no model where no details are', () => {
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    expect(screen.queryByRole('combobox', {name: 'Model', hidden: true})).toBeNull();
  });

  it('compare what one gains and loses between two providers', async () => {
    const user = userEvent.setup();
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    await user.selectOptions(screen.getByRole('combobox', {name: 'Compare', hidden: true}), 'Azure');
    await user.selectOptions(screen.getByRole('combobox', {name: 'with', hidden: true}), 'Anthropic');
    expect(columns()).toEqual(['Feature', 'Azure', 'Anthropic', 'Switching']);
    expect(screen.getAllByRole('row').map((row) => row.lastElementChild?.textContent)).toEqual([
      'Switching', 'Differs', '+ Gained',
    ]);
    expect(screen.getByText(/From Azure to Anthropic: 1 gained, 0 lost, 1 otherwise different, 0 the same\./)).toBeVisible();
  });
});

describe('copying', () => {
  it('takes what is shown as Markdown', async () => {
    const user = userEvent.setup();
    const json = matrixJson();
    json.features[0].providers.anthropic.error =
      'Claude Haiku 4.5: the tool input arrived empty; Claude Opus 4.7: the tool input arrived empty';
    render(<CompatibilityMatrix matrix={json} />);
    await user.click(screen.getByRole('button', {name: 'Copy as Markdown'}));
    expect(await navigator.clipboard.readText()).toBe(MARKDOWN);
    expect(screen.getByText('Copied')).toBeVisible();
  });

  it('names the model that is shown alone', async () => {
    const user = userEvent.setup();
    window.history.replaceState(null, '', '/?model=claude-haiku-4-5');
    render(<CompatibilityMatrix matrix={matrixJson()} details={detailsJson()} />);
    await user.click(screen.getByRole('button', {name: 'Copy as Markdown'}));
    expect(await navigator.clipboard.readText()).toMatch(/^LiteLLM .+, with Claude Haiku 4\.5 only\n/);
  });

  it('says where it is not allowed', async () => {
    const user = userEvent.setup();
    vi.spyOn(navigator.clipboard, 'writeText').mockRejectedValue(new Error('no'));
    render(<CompatibilityMatrix matrix={matrixJson()} />);
    await user.click(screen.getByRole('button', {name: 'Copy as Markdown'}));
    expect(screen.getByText('The browser does not allow that here')).toBeVisible();
  });
});

it('links to the feed and the badges that there are', () => {
  const badges = {anthropic: 'badges/anthropic.svg', azure: 'badges/azure.svg'};
  render(<CompatibilityMatrix matrix={matrixJson()} links={{feed: 'changes.atom', badges}} />);
  expect(screen.getAllByRole('link').map((link) => [link.textContent, link.getAttribute('href')])).toEqual([
    ['Feed of changes', 'changes.atom'],
    ['Badge for Anthropic', 'badges/anthropic.svg'],
    ['Badge for Azure', 'badges/azure.svg'],
  ]);
});

it('mounts no explanation and no panel before one is asked for, however large the matrix', () => {
  const {matrix, details} = large(100, 20, 1, 'x'.repeat(4000));
  render(<CompatibilityMatrix matrix={matrix} details={details} />);
  expect(document.querySelectorAll('[data-cell]')).toHaveLength(2000);
  expect(document.querySelectorAll('[role=tooltip], dialog')).toHaveLength(0);
});
