/** When a user was first seen under a policy. */
export interface PolicySighting {
  policyId: string;
  firstSeenAtMs: number;
}

/** A user who was seen under a policy and has no factor yet. */
export interface DueUser {
  userId: string;
  firstSeenAtMs: number;
}

/** Which users to list. */
export interface DueQuery {
  policyId: string;
  /** Only users who were first seen at this time or before it. */
  seenBeforeMs: number;
  /** The last user of the page before. `null` = from the beginning. */
  after: DueUser | null;
  limit: number;
  /** Only factors of these methods count. `null` = any factor counts. */
  methods: readonly string[] | null;
}

/**
 * Storage port of the first time that a user was seen under a policy. Grace periods are derived from it. Ids are compared
 * exactly.
 */
// S101
export abstract class MfaPolicySeenStore {
  /** When the user was first seen under the policy. `null` = never. One statement. */
  abstract firstSeen(userId: string, policyId: string): Promise<number | null>;

  /**
   * Records the first sighting, and never changes a recorded one. Returns the time that is stored then: the given one, or
   * the one of an earlier or parallel login. One statement for the first sighting, else two.
   * @throws MfaError `MFA_BUSY` if the sighting was removed in the meantime
   */
  abstract record(userId: string, policyId: string, nowMs: number): Promise<number>;

  /** All sightings of the user, oldest first. One statement. */
  abstract list(userId: string): Promise<PolicySighting[]>;

  /** Removes all sightings of the user. One statement. */
  abstract removeAll(userId: string): Promise<void>;

  /**
   * Users who were first seen at or before `seenBeforeMs` and have no factor, or with `methods` none of these methods. They
   * are ordered by `firstSeenAtMs` and user id, and come after the user `after`. One statement.
   */
  abstract listDue(query: DueQuery): Promise<DueUser[]>;
}
