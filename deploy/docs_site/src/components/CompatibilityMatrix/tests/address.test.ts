// Filters and the opened cell survive a reload, because the page's address holds them.

import {describe, expect, it} from 'vitest';

import {PLAIN, cellLink, readAddress, written} from '../address';
import type {Address} from '../address';
import {EVERYTHING} from '../model';
import {detailsJson, matrixJson, opened} from './samples';

const MATRIX = opened(matrixJson(), detailsJson());
const at = (address: string) => new URL(address, 'https://docs.example/page');
const read = (address: string) => readAddress(at(address), MATRIX);

const ASKED: Address = {
  filters: {
    feature: 'tool & 日本', providers: ['anthropic', 'azure'], model: 'claude-opus-4-7', statuses: ['fail', 'not_tested'],
    from: 'azure', to: 'anthropic',
  },
  cell: 'tool_use|azure',
};

describe('an address', () => {
  it('says what was asked in words that a person can read', () => {
    expect(written({...ASKED, filters: {...ASKED.filters, feature: 'tool'}}, at('/'))).toBe(
      '?feature=tool&model=claude-opus-4-7&from=azure&to=anthropic&provider=anthropic,azure&status=fail,not_tested' +
        '#cell=tool_use|azure',
    );
  });

  it('is read as it was written', () => {
    expect(read(written(ASKED, at('/')))).toEqual(ASKED);
  });

  it('is bare where nothing is asked', () => {
    expect(written(PLAIN, at('?status=fail#cell=tool_use|azure'))).toBe('');
    expect(read('')).toEqual(PLAIN);
  });

  it('keeps what belongs to others', () => {
    expect(written(PLAIN, at('?theme=dark#questions'))).toBe('?theme=dark#questions');
    expect(read('?theme=dark#questions')).toEqual(PLAIN);
  });

  it('passes over what the matrix does not have', () => {
    expect(read('?provider=gone,azure&model=gone&status=flaky&from=gone#cell=gone|azure')).toEqual({
      filters: {...EVERYTHING, providers: ['azure']},
      cell: '',
    });
  });

  it('opens a cell whether or not its link was escaped on the way', () => {
    expect(cellLink('tool_use|azure')).toBe('#cell=tool_use|azure');
    expect(read('#cell=tool_use%7Cazure').cell).toBe('tool_use|azure');
    expect(read('#cell=%E0%A4%A').cell).toBe('');
  });
});
