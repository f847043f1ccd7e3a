-- What a fork has copied from another thread is no longer its own content, so every rollout is folded anew, once.
-- The rows of the threads stay as they are until then.

UPDATE rollout_files SET status = 'pending', offset_bytes = 0, head_digest = NULL, tail_digest = NULL,
    fold_state = NULL WHERE status IN ('indexed', 'shadowed');

PRAGMA user_version = 3;
