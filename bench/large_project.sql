-- A project with 1,000,000 items, 200,000 prompts, 300,000 labels, 200 runs and 100 annotators, for bench/pages.py, which
-- makes a smaller one by dividing every number of four digits and more.
-- Foreign keys are not checked while it is made: the checks would be planned for the tables' empty beginnings.
set session_replication_role = replica;
insert into "user" (id, email, name, is_admin) overriding system value
  select n, 'person' || n || '@example.org', 'Person ' || n, n = 101 from generate_series(1, 101) n;
insert into model (id, kind, name, source, artifact, state) overriding system value
  values (1, 'base', 'base', 'tiny:1', 'models/1', 'ready');
insert into project (id, name, base_model_id, answer, sampling, automation, overlap, queue_depth) overriding system value
  values (1, 'Large', 1, '{}', '{}', '{}', 3, 500);
insert into member (project_id, user_id, role)
  select 1, n, case when n = 101 then 'manager' else 'annotator' end from generate_series(1, 101) n;
insert into prompt (id, project_id, messages, content_hash, source, status, split) overriding system value
  select n, 1, jsonb_build_array(jsonb_build_object('role', 'user', 'content', 'Question ' || n || '?')),
    md5(n::text) || md5(n::text), 'import', 'active', case when n % 5 = 0 then 'holdout' else 'train' end
  from generate_series(1, 200000) n;
insert into run (id, project_id, kind, method, state, config, model_id, step, total_steps, unit, created_at)
    overriding system value
  select n, 1, (array['sampling', 'training', 'training', 'evaluation'])[1 + n % 4],
    (array[null, 'reward', 'ppo', null])[1 + n % 4],
    case when n = 200 then 'running' when n % 9 = 0 then 'failed' else 'succeeded' end,
    (array[
      '{"kind": "sampling", "prompt_ids": [1], "item_kind": "comparison", "settings": {"n": 2, "seed": 1}}',
      '{"kind": "training", "settings": {}, "options": {}}',
      '{"kind": "training", "settings": {}, "options": {}}',
      '{"kind": "evaluation", "prompt_ids": [1], "comparisons": 100, "overlap": 3, "settings": {"n": 1, "seed": 1}}'
    ])[1 + n % 4]::jsonb, 1, 100, 100, 'steps', now() - make_interval(hours => 200 - n)
  from generate_series(1, 200) n;
update run set baseline_id = 1 where kind = 'evaluation';
insert into response (id, prompt_id, model_id, run_id, text, finish_reason, token_count, strategy) overriding system value
  select n, 1 + (n - 1) / 10, 1, 4, 'Answer ' || n || '. ' || repeat('It depends on more than one thing. ', 8), 'stop',
    60, 'stochastic' from generate_series(1, 2000000) n;
insert into item (id, project_id, prompt_id, kind, run_id, ordinal, purpose, level, rank, overlap_target, slots_left)
    overriding system value
  select n, 1, 1 + (2 * n - 1) / 10, 'comparison', case when n % 100 = 0 then 3 end, n,
    case when n % 100 = 0 then 'evaluation' when n % 50 = 1 then 'check' else 'train' end,
    case when n % 100 = 0 then 0 else 2 end, random(), 3, case when n <= 99500 then 0 else 3 end
  from generate_series(1, 1000000) n;
insert into item_response (item_id, position, response_id)
  select (n + 1) / 2, 1 - n % 2, n from generate_series(1, 2000000) n;
insert into assignment (id, project_id, item_id, annotator_id, "order", state, leased_at, expires_at)
    overriding system value
  select n, 1, 1 + (n - 1) / 3, 1 + (n * 37 + n / 300) % 100, case when random() < 0.5 then '{0,1}' else '{1,0}' end::smallint[],
    'labelled', now() - make_interval(secs => (300000 - n) * 8), now() - make_interval(secs => (300000 - n) * 8)
  from generate_series(1, 298500) n;
insert into label (project_id, item_id, annotator_id, assignment_id, value, seconds, "order", created_at, superseded_at)
  select 1, item_id, annotator_id, id, jsonb_build_object('kind', 'comparison', 'choice', said, 'strength', null,
    'questions', '{}'::jsonb), 9, "order", leased_at, superseded_at
  from (
    select *, (array['first', 'first', 'second', 'second', 'second', 'tie', 'both_bad'])[1 + (random() * 6)::int] as said,
      null::timestamptz as superseded_at from assignment
    union all (select *, 'first', leased_at from assignment limit 1500)
  ) given;
insert into preference (label_id, question, first, second, outcome, probability)
  select id, '', 0, 1, outcome, case outcome when 'first' then 1 when 'tie' then 0.5 when 'second' then 0 end
  from (
    select id, case when value ->> 'choice' in ('tie', 'both_bad') then value ->> 'choice'
      when (value ->> 'choice' = 'first') = ("order" = '{0,1}') then 'first' else 'second' end as outcome from label
  ) said;
insert into run_metric (run_id, name, step, value)
  select run.id, metric, at.step, random() from run, generate_series(1, 100) at (step),
    unnest(array['loss', 'accuracy', 'margin', 'lr', 'grad_norm', 'objective/scores', 'objective/kl', 'eval/reward']) metric
  where run.kind = 'training';
insert into run_sample (run_id, step, prompt, response, score)
  select run.id, at.step, '[{"role": "user", "content": "Why?"}]', 'Because.', 0.5 from run, generate_series(1, 40) at (step)
  where run.method = 'ppo';
insert into snapshot (id, project_id, content_hash, label_count, train_pair_count, holdout_pair_count)
    overriding system value values (1, 1, 'hash', 250000, 66000, 16000);
insert into snapshot_label (snapshot_id, label_id) select 1, id from label where id <= 250000;
update run set snapshot_id = 1 where method = 'reward';
insert into model (id, project_id, kind, name, parent_id, run_id, artifact, state, metrics) overriding system value
  select 1000 + id, 1, case method when 'ppo' then 'policy' else method end, method || ' ' || id, 1, id, 'models/run-' || id, 'ready',
    '{"pairs": 60000, "eval_accuracy": 0.7, "eval_accuracy_low": 0.69, "eval_accuracy_high": 0.71, "kl": 3.0,
      "reward_before": 0.0, "reward_after": 0.5}'
  from run where kind = 'training' and state = 'succeeded';
insert into response_score (model_id, response_id, score, spread)
  select (select max(id) from model where kind = 'reward'), id, random(), random() from response where id <= 200000;
insert into conversation (project_id, user_id, title) select 1, case when n % 20 = 0 then 101 else 1 + n % 101 end, 'Chat ' || n from generate_series(1, 2000) n;
insert into turn (conversation_id, position, role, content, model_id, state)
  select id, n, case when n % 2 = 0 then 'user' else 'assistant' end, 'Turn ' || n || '. ' || repeat('It depends. ', 20),
    case when n % 2 = 1 then 1 end, 'done' from conversation, generate_series(0, 19) n where user_id = 101;
insert into audit_event (actor_id, project_id, action) select 101, 1, 'test.happened' from generate_series(1, 20000) n;
set session_replication_role = default;
