-- A fork whose rollout was migrated to the paginated format is known by the age of its turns from now on, and a fork
-- that has said nothing itself loses what was remembered of it. So forks are folded anew, once; where the rollout does
-- not say that it is one, those are meant that have no content.

UPDATE rollout_files SET status = 'pending', offset_bytes = 0, head_digest = NULL, tail_digest = NULL,
    fold_state = NULL WHERE status IN ('indexed', 'shadowed')
    AND thread_id IN (SELECT id FROM threads WHERE forked_from_id IS NOT NULL OR content_at_ms IS NULL);

PRAGMA user_version = 5;
