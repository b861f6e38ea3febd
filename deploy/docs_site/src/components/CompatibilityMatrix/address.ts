// What the reader sees, in the page's address: filters as its query, the opened cell as its fragment. Pure.

import {STATUSES} from './documents';
import {EVERYTHING, cellOf} from './model';
import type {Filters, Matrix} from './model';

/** `cell` is the key of the opened one, '' if there is none. */
export interface Address {
  readonly filters: Filters;
  readonly cell: string;
}

export const PLAIN: Address = {filters: EVERYTHING, cell: ''};

const CELL = '#cell=';
const SINGLE = ['feature', 'model', 'from', 'to'] as const;

/** Read an address; what the matrix does not have (an old link) is passed over. */
export function readAddress({search, hash}: {search: string; hash: string}, matrix: Matrix): Address {
  const query = new URLSearchParams(search);
  const one = (name: string, known: readonly {id: string}[]) =>
    known.find(({id}) => id === query.get(name))?.id ?? '';
  const many = <Known extends string>(name: string, known: readonly Known[]) => {
    const asked = (query.get(name) ?? '').split(',');
    return known.filter((id) => asked.includes(id));
  };
  const cell = hash.startsWith(CELL) ? decoded(hash.slice(CELL.length)) : '';
  return {
    filters: {
      feature: query.get('feature') ?? '',
      providers: many('provider', matrix.providers.map(({id}) => id)),
      model: one('model', matrix.models),
      statuses: many('status', STATUSES),
      from: one('from', matrix.providers),
      to: one('to', matrix.providers),
    },
    cell: cellOf(matrix, cell)?.key ?? '',
  };
}

/** The present address with what is to be seen in it; parameters and fragments of others stay. */
export function written({filters, cell}: Address, {search, hash}: {search: string; hash: string}): string {
  const query = new URLSearchParams(search);
  const put = (name: string, value: string) => (value ? query.set(name, value) : query.delete(name));
  for (const name of SINGLE) put(name, filters[name]);
  put('provider', filters.providers.join(','));
  put('status', filters.statuses.join(','));
  const asked = query.toString().replaceAll('%2C', ',');
  const fragment = cell ? cellLink(cell) : hash.startsWith(CELL) ? '' : hash;
  return `${asked && '?'}${asked}${fragment}`;
}

/** The fragment that opens a cell. */
export function cellLink(key: string): string {
  return CELL + key.split('|').map(encodeURIComponent).join('|');
}

function decoded(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return '';
  }
}
