/**
 * The keys of a pool: who follows what, who waits with whom, who is set aside, and where the next batch goes.
 */
import { describe, expect, test } from 'vitest';
import type { BlockedVerdict } from '../../../../src/domain/failure-router.ts';
import type { BatchApi } from '../../../../src/domain/ports.ts';
import type { KeyLink } from '../../../../src/engine/engine.ts';
import { KeyBook, KeyLoad, naming, usableKeys } from '../../../../src/engine/keys/key-book.ts';

function link(name: string, organization: string | null, reported: string | null = `wrkspc_${name}`): KeyLink {
  return { api: { workspace: `key_${name}` } as BatchApi, organization, reported, label: `sk-…${name}` };
}

const book = (...keys: [KeyLink, ...KeyLink[]]): KeyBook => new KeyBook({ api: keys[0].api, keys });

const NO_MONEY: BlockedVerdict = {
  ...{ kind: 'blocked', reason: 'billing', scope: 'workspace', message: 'no money', hint: 'Add credit.' },
};

describe('one key', () => {
  test('is a pool of one, which follows everything, whoever made it', () => {
    for (const keys of [[], [link('a', 'one')]]) {
      const alone = new KeyBook({ api: link('a', 'one').api, keys });
      expect(alone.several).toBe(false);
      expect(alone.placeOf('key_of_somebody')).toBe(alone.places[0]);
    }
  });
});

describe('workspaces', () => {
  test('keys that the API reports to be of one are one place', () => {
    const [a, b, c] = [link('a', 'one', 'w'), link('b', 'one', 'w'), link('c', 'one', 'other')];
    const keys = book(a, b, c);
    expect(keys.places.map(({ links }) => links)).toEqual([[a, b], [c]]);
    expect(keys.placeOf('key_b')).toBe(keys.places[0]);
    expect(keys.placeOf('key_c')).toBe(keys.places[1]);
  });

  test('the same name in another organization, or none at all, is not the same workspace', () => {
    expect(book(link('a', 'one', 'w'), link('b', 'two', 'w')).places).toHaveLength(2);
    expect(book(link('a', 'one', null), link('b', 'one', null)).places).toHaveLength(2);
  });

  test('of a key that is not in the pool nobody knows it, until one of its batches shows', () => {
    const keys = book(link('a', 'one'), link('b', 'two'));
    expect(keys.placeOf('key_gone')).toBeNull();
    keys.learn('key_gone', keys.places[1] ?? keys.places[0]);
    expect(keys.placeOf('key_gone')).toBe(keys.places[1]);
    // That it is the name of a key of the place is another matter.
    expect(keys.places[1]?.hasName('key_gone')).toBe(false);
  });

  test('of a key that was refused before it was told may be anywhere', () => {
    const refused = { ...link('a', null, null), refused: NO_MONEY };
    const keys = book(refused, link('b', 'one'));
    expect(keys.placeOf('key_a')).toBeNull();
    expect(keys.named('key_a')).toBe(keys.places[0]);
    expect(usableKeys({ keys }).map(({ label }) => label)).toEqual(['sk-…b']);
    expect(keys.seeing).toBe(1);
  });
});

describe('looks', () => {
  test('go on with another key of the same workspace', () => {
    const [a, b] = [link('a', 'one', 'w'), link('b', 'one', 'w')];
    const keys = book(a, b);
    const [place] = keys.places;
    expect(keys.seer(place)).toBe(a);
    keys.noteSight(a, false);
    expect(keys.seer(place)).toBe(b);
    expect(keys.canSee(place)).toBe(true);
    keys.noteSight(b, false);
    expect(keys.canSee(place)).toBe(false);
    // The refused one is tried all the same: that is how its mending is noticed.
    expect(keys.seers(place)).toEqual([a, b]);
    keys.noteSight(b, true);
    expect(keys.seer(place)).toBe(b);
  });
});

describe('a key that is set aside', () => {
  test('gets no new work, and says why with its masked name', () => {
    const [a, b] = [link('a', 'one'), link('b', 'two')];
    const keys = book(a, b);
    expect(keys.setAside(a, NO_MONEY)).toBe(true);
    expect(keys.setAside(a, NO_MONEY)).toBe(false);
    expect(usableKeys({ keys })).toEqual([b]);
    expect(keys.refusals.map(({ message }) => message)).toEqual(['key sk-…a: no money']);
    expect(naming(a, NO_MONEY).hint).toBe('Add credit.');
  });

  test('where all were refused at once, the next call finds it out: somebody has to be told', () => {
    const all = ['a', 'b'].map((name) => ({ ...link(name, null), refused: NO_MONEY }));
    const keys = new KeyBook({ api: link('a', null).api, keys: all });
    expect(usableKeys({ keys })).toHaveLength(2);
  });
});

describe('waits', () => {
  test('are those of an organization; keys of unknown ones wait together', () => {
    const [a, b, c] = [link('a', 'one'), link('b', 'one'), link('c', 'two')];
    const keys = book(a, b, c);
    keys.paceOf(a).quietUntilMs = 500;
    keys.paceOf(c).createNotBeforeMs = 300;
    expect([a, b, c].map((one) => keys.createTimeOf(one))).toEqual([500, 500, 300]);
    expect(keys.quietUntilMs(null)).toBe(0);
    expect(keys.quietUntilMs(keys.places[0])).toBe(500);
    expect(keys.createNotBeforeMs).toBe(300);
    keys.setAside(c, NO_MONEY);
    expect(keys.createNotBeforeMs).toBe(500);
    const unknown = book(link('x', null), link('y', null));
    expect(unknown.paceOf(unknown.links[0])).toBe(unknown.paceOf(unknown.links[1] ?? unknown.links[0]));
  });
});

describe('the next batch', () => {
  test('goes to the organization with the fewest, and in it to the workspace with the fewest', () => {
    const keys = book(link('a', 'one'), link('b', 'one'), link('c', 'two'));
    const load = new KeyLoad(keys);
    const went: string[] = [];
    for (let batches = 0; batches < 8; batches++) {
      const [next] = usableKeys({ keys }, load);
      went.push(next?.label.slice(-1) ?? '');
      load.add(next?.api.workspace ?? '', 10);
    }
    // Two keys of one organization are one organization.
    expect(went).toEqual(['a', 'c', 'b', 'c', 'a', 'c', 'b', 'c']);
  });

  test('of as many batches the fewer rows count, and batches of strangers count for nobody', () => {
    const keys = book(link('a', 'one'), link('b', 'two'));
    const load = new KeyLoad(keys);
    load.add('key_a', 1_000);
    load.add('key_b', 10);
    load.add('key_gone', 10);
    expect(usableKeys({ keys }, load).map(({ label }) => label)).toEqual(['sk-…b', 'sk-…a']);
  });
});
