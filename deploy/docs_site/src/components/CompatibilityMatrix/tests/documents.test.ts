// What is not exactly a document of its schema is refused, with a reason for people.

import {describe, expect, it} from 'vitest';

import {readDetails, readMatrix} from '../documents';
import {detailsJson, matrixJson} from './samples';

const problem = (read: object) => ('problem' in read ? read.problem : 'none');

describe('the matrix', () => {
  it('is read as the pipeline writes it', () => {
    expect(problem(readMatrix(matrixJson()))).toBe('none');
  });

  it.each<[string, (json: any) => unknown, RegExp]>([
    ['of another schema', (json) => ({...json, schema_version: '2'}), /schema_version is "2", not "1"/],
    ['of a schema that is a number', (json) => ({...json, schema_version: 1}), /schema_version is 1, not "1"/],
    ['without a schema', ({schema_version, ...json}) => json, /no schema_version/],
    ['that is no object', () => [], /the document is no object/],
    ['that is nothing', () => null, /the document is no object/],
    ['without a version', (json) => ({...json, litellm_version: ''}), /litellm_version is no text/],
    ['with a local time', (json) => ({...json, generated_at: '2026-01-31T12:00:00+01:00'}), /no UTC time/],
    ['with an impossible time', (json) => ({...json, generated_at: '2026-13-31T12:00:00Z'}), /no UTC time/],
    ['with an unknown field', (json) => ({...json, note: 'x'}), /does not know: note/],
    ['whose providers are no list', (json) => ({...json, providers: {}}), /providers is no list/],
    ['with a provider twice', (json) => ({...json, providers: ['azure', 'azure']}), /provider azure is listed twice/],
    ['that lacks a column', (json) => ({...json, providers: ['azure']}), /does not list the matrix's providers/],
    ['with another column', (json) => ({...json, providers: ['azure', 'vertex_ai']}), /tool_use on vertex_ai is no object/],
    ['with a feature twice', (json) => ({...json, features: [json.features[0], json.features[0]]}), /listed twice/],
    ['with an unknown status', cell({status: 'flaky'}), /status of tool_use on azure is unknown: "flaky"/],
    ['with a fail that says nothing', cell({status: 'fail'}), /the error of tool_use on azure is no text/],
    ['with a pass that has an error', cell({status: 'pass', error: 'x'}), /does not know: error/],
  ])('is refused %s', (_, change, words) => {
    expect(problem(readMatrix(change(matrixJson())))).toMatch(words);
  });

  function cell(value: object) {
    return (json: any) => {
      json.features[0].providers.azure = value;
      return json;
    };
  }
});

describe('the details', () => {
  it('are read as the pipeline writes them, with as much of a digest as finds the evidence', () => {
    const read = readDetails(detailsJson());
    expect(problem(read)).toBe('none');
    expect('document' in read && read.document.cells[1]?.evidence).toBe('a'.repeat(12));
  });

  it('survive being written again with only what the page shows', () => {
    const read = readDetails(detailsJson());
    expect('document' in read && readDetails(JSON.parse(JSON.stringify(read.document)))).toEqual(read);
  });

  it.each<[string, object, RegExp]>([
    ['of another schema', {schema_version: 'details/1'}, /schema_version is unknown: "details\/1"/],
    ['without cells', {cells: undefined}, /cells is no list/],
    ['of unknown upstreams', {upstream: 'both'}, /upstream is unknown/],
  ])('are refused %s', (_, change, words) => {
    expect(problem(readDetails({...detailsJson(), ...change}))).toMatch(words);
  });

  it.each<[object, RegExp]>([
    [{status: 'flaky'}, /status of tool_use\|anthropic\/claude-haiku-4-5 is unknown/],
    [{attempts: '2'}, /does not tell its attempts/],
    [{observed_at: 'yesterday'}, /no UTC time: yesterday/],
    [{known_issue: {owner: 'ana'}}, /issue of the known issue of .* is no text/],
  ])('are refused with a cell that says %j', (change, words) => {
    const json = detailsJson();
    Object.assign(json.cells[0], change);
    expect(problem(readDetails(json))).toMatch(words);
  });
});
