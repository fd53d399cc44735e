/**
 * What the two models of load (users.ts, feed.ts) ask of a load test: conversations, thinking times, and to send.
 */
import type { LoadAnswer } from '../../domain/load.ts';
import type { Agenda } from './agenda.ts';
import type { Conversation } from './conversation.ts';

export interface Turn {
  readonly conversation: Conversation;
  readonly stage: number | null;
  /** When it should be sent, by the monotonic clock. */
  readonly intendedAtMs: number;
}

export interface Sending {
  readonly agenda: Agenda;
  readonly startMs: number;
  /** False from the stop on. */
  readonly isRunning: boolean;
  newConversation(): Conversation;
  /** A draw. */
  thinkMs(): number;
  nowMs(): number;
  /** False where nothing more may be sent; `heard` is called when the answer is there. */
  send(turn: Turn, heard: (answer: LoadAnswer) => void): boolean;
}

/** One of the two models. */
export interface LoadSource {
  begin(): void;
  readonly users: number;
  /** Null in the open model. */
  readonly wantedUsers: number | null;
  readonly wantedPerSecond: number | null;
  setUsers(users: number): void;
  setRate(perSecond: number): void;
}
