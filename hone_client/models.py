"""What calls answer with. Written by `make client` from the API's document; not to be edited."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Agreement(BaseModel):
    """
    `items` pairs of responses were judged by several people; `percent` is the share of equal choices among two
    people's choices on the same one. Intervals are 95%, by prompt.
    """

    items: int
    comparisons: int
    percent: float | None
    percent_low: float
    percent_high: float
    alpha: float | None
    low: float | None
    high: float | None


class AskedAgain(BaseModel):
    """
    For how many items one more label is asked for.
    """

    asked: int


class AskedText(BaseModel):
    """
    A question or a reason as it was asked.
    """

    id: str
    text: str


class AutomationSettings(BaseModel):
    """
    What the platform starts automatically.
    """

    keep_queue_filled: bool = True
    """
    Sample new pairs when fewer are open than the queue keeps ready.
    """
    refresh_pairs: bool = True
    """
    So that people compare answers of the current policy.
    """
    retrain_reward: bool = False
    """
    Each time enough new labels have come since the last one.
    """
    labels_between_rewards: int = 200
    """
    Fewer give newer models, more cost less computing.
    """
    reward_trainings_per_day: int = 12
    """
    The limit in any 24 hours. Those that people start are not counted.
    """
    pairs_per_day: int = 10000
    """
    The limit of pairs sampled automatically in any 24 hours.
    """


class BucketView(BaseModel):
    """
    An hour, a day or a week: when it began, labels in all and of each person by number, and how far people agreed on
    the pairs whose last label was given in it.
    """

    at: AwareDatetime
    labels: int
    by: dict[str, int]
    agreement: Agreement


class Change(BaseModel):
    """
    A stretch of either text, in reading order.
    """

    change: Literal["kept", "removed", "added"]
    text: str


class ChecksMade(BaseModel):
    """
    How many attention checks were made.
    """

    made: int


class ComparedColumnView(BaseModel):
    """
    A column of a comparison, by whose `key` it can be ordered.
    """

    key: str
    title: str
    help: str
    numeric: bool


class ConversationHead(BaseModel):
    """
    A conversation. With `consent`, its prompts and choices may be used for training.
    """

    id: int
    title: str
    consent: bool
    created_at: AwareDatetime


class Couple(BaseModel):
    """
    Two people who judged the same pairs, and the share of those on which they said the same.
    """

    one: int
    other: int
    pairs: int
    share: float


class CreatedProject(BaseModel):
    """
    Where the new project is found.
    """

    id: int
    url: str


class CurvePoint(BaseModel):
    """
    How good the head was after so many preferences, on all that measure now.
    """

    labels: int
    accuracy: float
    low: float
    high: float
    loss: float


class CurveView(BaseModel):
    """
    A figure over the steps of a run. A value that is not finite is null.
    """

    steps: list[int]
    values: list[float | None]


class CurvesView(BaseModel):
    """
    A run's figures by their names.
    """

    curves: dict[str, CurveView]


class DeletionView(BaseModel):
    """
    What a deletion would do: how much of what goes and stays, and why it cannot be done now.
    """

    name: str
    goes: dict[str, int]
    stays: dict[str, int]
    blocked: str | None


class DisputedAskedAgain(BaseModel):
    """
    The item that goes to one more person.
    """

    item_id: int


class EstimateView(BaseModel):
    """
    How long a training will take, judged by earlier ones: `seconds` are null where nothing is known, `why` says in
    a sentence what it rests on.
    """

    seconds: float | None
    why: str


class ExportPreview(BaseModel):
    """
    The first rows of an export, as they will be, and its columns in their order.
    """

    columns: list[str]
    rows: list[dict[str, Any]]


class FirstStepView(BaseModel):
    """
    A step of a project's first round: what it is, what to do meanwhile, how far it is.
    """

    name: str
    title: str
    about: str
    meanwhile: str
    state: str
    done: bool


class FlagMessageView(BaseModel):
    """
    One message of a thread.
    """

    author_id: int
    author: str
    text: str
    created_at: AwareDatetime


class FlagView(BaseModel):
    """
    A question about an item, with its thread, the oldest message first. `closed_at` is null while it is open.
    """

    id: int
    item_id: int
    person_id: int
    person: str
    messages: list[FlagMessageView]
    closed_at: AwareDatetime | None
    created_at: AwareDatetime


class FoundResponse(BaseModel):
    """
    A response of the file; `author` is null where the file does not name who wrote it.
    """

    text: str
    author: str | None


class Gain(BaseModel):
    """
    What the next labels are expected to bring, in accuracy, with the interval of what the last ones brought.
    """

    labels: int
    measured: int
    expected: float
    low: float
    high: float


class GoingView(BaseModel):
    """
    What is being deleted, of which nothing else tells: since when, and how much of it is still there.
    """

    kind: Literal["project", "person"]
    number: int
    since: AwareDatetime
    left: dict[str, int]
    """
    By words in the plural; once all are 0, it is gone within a minute
    """


class Habits(BaseModel):
    """
    One person. `reliability`: how often they are right, by Dawid and Skene; `repeats`, of which `same` were answered
    alike: pairs of responses that they judged again; `tracks_length`: Pearson's r between log seconds and log length.
    `over_time`: the share of others who say the same, of each `sequential.BLOCK` pairs; `change`: -1 where they
    disagree less often than at first, 1 where more often.
    """

    state: Literal["one-sided", "contrary", "careless"] | None = None
    change: int = 0
    reliability: float | None = None
    longer: float | None = None
    longer_low: float = 0.0
    longer_high: float = 1.0
    repeats: int = 0
    same: int = 0
    words_per_minute: float | None = None
    tracks_length: float | None = None
    over_time: list[float] | None = None


class ImportConfig(BaseModel):
    """
    Read a file into the project.
    """

    kind: Literal["import"] = "import"
    file: str
    hub: str | None = None
    size: int | None = None
    name: str
    what: Literal["prompts", "pairs", "labels"]
    layout: str | None = None
    mapping: dict[str, str] | None = None
    container: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    skip_invalid: bool = False


class KeyView(BaseModel):
    """
    An action of the labelling screen, its usual key and the one that it has for me. A capital letter means Shift.
    """

    action: str
    title: str
    usual: str
    key: str


class KeysView(BaseModel):
    """
    All of them.
    """

    keys: list[KeyView]


class KindSettings(BaseModel):
    """
    What a project may set for one kind; a kind adds its own fields. Forms are drawn from them: their titles,
    descriptions and bounds are what people read.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    share: int = 0
    """
    Beside the shares of other kinds; 0 asks none.
    """


class LabelCounts(BaseModel):
    """
    Pairs to learn from and to measure on; `both_bad` labels are left out of both and counted before the first
    training only; `new`: labels since the last one. At least `least_train` and `least_holdout` are needed.
    """

    train: int
    holdout: int
    both_bad: int | None
    new: int
    least_train: int
    least_holdout: int


class LabelPreview(BaseModel):
    """
    A response that is being written. `html` is its rendering, null where there is no text yet; `changes` are those
    to the response that it began as, null where it began as none. A kind from outside may have more.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    html: str | None = None
    changes: list[Change] | None = None
    words: int | None = None


class LabelValueView(BaseModel):
    """
    What was decided, in terms of what was shown; the item's kind says which fields there are.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    kind: str


class LastView(BaseModel):
    """
    The last thing that an automation did.
    """

    at: AwareDatetime
    what: str
    run_id: int | None


class LeftOut(BaseModel):
    """
    Rows that were not changed, and why.
    """

    why: str
    count: int


class LimitView(BaseModel):
    """
    A quota that has a limit. `used` is null where it was not measured yet; storage in bytes; `share` is of the
    limit. `notice`: from four fifths on, in a sentence.
    """

    name: str
    title: str
    used: int | None
    limit: int
    share: float
    notice: str | None


class LogView(BaseModel):
    """
    The end of a log; null where there is none yet.
    """

    log: str | None


class Measure(BaseModel):
    """
    What a reward model and the base model say of a policy's responses to holdout prompts: means with their standard
    errors, which a single prompt has none of; the KL is in nats a response.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    prompts: int
    reward: float
    reward_error: float | None
    baseline_reward: float
    kl: float | None
    kl_error: float | None
    answer_tokens: float
    baseline_answer_tokens: float


class Measured(BaseModel):
    """
    A difference with its 95% interval, accuracy as a share and log-loss in nats.
    """

    labels: int
    accuracy: float
    low: float
    high: float
    loss: float
    loss_low: float
    loss_high: float


class Message(BaseModel):
    """
    One turn of a conversation.
    """

    role: Literal["system", "user", "assistant"]
    content: str


class ModelView(BaseModel):
    """
    A base model, policy or reward model. `answers_from` is folder, endpoint, or a source of an extension; `source`
    is where a model of the store came from that no run made; `artifact` is its name at the inference server.
    """

    id: int
    kind: Literal["base", "policy", "reward"]
    """
    What a model is for.
    """
    name: str
    state: Literal["preparing", "ready", "failed", "archived"]
    """
    `preparing` until a base model's files are in the store; runs register models as `ready`.
    """
    project_id: int | None
    answers_from: str
    source: str | None
    parent_id: int | None
    run_id: int | None
    artifact: str | None
    error: str | None
    metrics: dict[str, Any]
    created_at: AwareDatetime


class NamedModel(BaseModel):
    """
    A model, called as it was when the run was queued.
    """

    id: int
    name: str


class OldRunView(BaseModel):
    """
    A run whose folder is old enough to go, and what that frees by itself.
    """

    id: int
    project_id: int | None
    kind: str
    bytes: int


class OverlapAdopted(BaseModel):
    """
    For how many items that wait another number of labels is asked now.
    """

    changed: int


class PersonView(BaseModel):
    """
    An account.
    """

    id: int
    name: str
    email: str
    is_admin: bool
    disabled_at: AwareDatetime | None
    labels_go_since: AwareDatetime | None = None
    """
    Since when the labels of a deleted person are being deleted; null: none is to go
    """
    chats_go_since: AwareDatetime | None = None
    """
    The same of the conversations of one whose labels stay
    """
    created_at: AwareDatetime


class PlannedSource(BaseModel):
    """
    One model, or one more time the same with other settings.
    """

    model_id: int | None = None
    """
    Null: the current policy
    """
    responses: int = 2
    """
    To each prompt
    """
    strategy: Literal["mixed", "stochastic", "greedy"] | None = None
    """
    Null: the project's
    """
    temperature: float | None = None
    """
    Null: the project's
    """


class PreferenceView(BaseModel):
    """
    Which of two responses, by their positions in the item, the label prefers, and how strongly. `question` is empty
    for the main one.
    """

    question: str
    first: int
    second: int
    outcome: Literal["first", "second", "tie", "both_bad"]
    """
    Which of two responses is better. A tie and both bad are different outcomes.
    """
    probability: float | None
    strength: int | None
    raters: int


class PreparationConfig(BaseModel):
    """
    Bring a base model into the store.
    """

    kind: Literal["preparation"] = "preparation"
    source: str


class PresetView(BaseModel):
    """
    Settings to begin from, for a method; what it leaves out keeps its default.
    """

    name: str
    title: str
    help: str
    settings: dict[str, bool | int | float | str | list[str] | None]


class Question(BaseModel):
    """
    A question beside the main one. Choices are kept under its id, so that its text may change. A text alone is one
    that has no id yet: until the project gives it one, and for those from before there were ids, the text is the id.
    """

    id: str
    text: str


class QueueSettings(BaseModel):
    """
    How pairs are handed out. Shares are between 0 and 1.
    """

    overlap: int = 1
    """
    More labels per pair cost more time and show how far people agree.
    """
    queue_depth: int = 50
    """
    New answers are sampled when fewer are open.
    """
    check_share: float = 0.0
    """
    Share of attention checks
    """
    control_share: float = 0.2
    """
    Share of pairs that stay in random order, so that statistics are unbiased
    """
    check_window: int = 10
    """
    So many of a person's latest ones; older ones are forgotten.
    """
    check_misses: int = 3
    """
    A missed check gives a warning; this many pause the person's work until a manager resumes it.
    """
    lease_minutes: int = 30
    """
    After that it goes to somebody else. A late answer is still kept.
    """
    queue_order: Literal["random", "uncertain"] = "random"
    """
    What is asked first. Most uncertain first needs a reward model; held-out prompts stay random.
    """
    pair_choice: Literal["random", "informative"] = "random"
    """
    Where the sampling plan gives more answers than a pair shows: any two, or those that tell most.
    """


class Reason(BaseModel):
    """
    A reason to choose from; ids as with questions.
    """

    id: str
    text: str


class RefusedEntry(BaseModel):
    """
    An entry that is no prompt, by its place in what was sent, from 1.
    """

    entry: int
    reason: str


class RefusedView(BaseModel):
    """
    A row that cannot be used: its line, why, and its text.
    """

    line: int
    reason: str
    raw: str


class Renewed(BaseModel):
    """
    False where the lease has ended.
    """

    open: bool


class ResultView(BaseModel):
    """
    What an evaluation says so far, from the policy's side. The 95% interval `low` to `high` of the win rate stays
    valid however often it is looked at; ties, "both bad" and equal responses count one half.
    """

    items: int
    judged: int
    equal: int
    wins: float
    losses: float
    ties: float
    both_bad: float
    rate: float | None
    low: float
    high: float


class RetentionView(BaseModel):
    """
    What a rule takes: folders of runs, and conversations; `bytes` in the store, all folders together, and
    `chat_bytes` of text in the database. `in_use`: runs that are old enough and at work or queued, which stay.
    """

    runs: list[OldRunView]
    bytes: int
    conversations: int
    chat_bytes: int
    in_use: list[int]


class Reviewed(BaseModel):
    """
    How many prompts were decided about.
    """

    decided: int


class RewardTerm(BaseModel):
    """
    A part of what responses are paid: what reward models say, several as one ensemble, or a function, which is
    `length`, `repetition` or `module:function`; times a weight.
    """

    weight: float
    models: list[NamedModel] | None = None
    function: str | None = None


class SampleView(BaseModel):
    """
    What a policy said at a step of its training.
    """

    step: int
    prompt: list[dict[str, Any]]
    response: str
    score: float | None
    details: dict[str, Any]


class SamplerSettings(BaseModel):
    """
    How responses are sampled; `n` of them for each prompt.
    """

    strategy: Literal["mixed", "stochastic", "greedy"] = "mixed"
    temperature: float = 1.0
    """
    Above 1 more varied, below 1 more predictable.
    """
    max_new_tokens: int = 256
    """
    An answer cut off here is marked as such.
    """
    top_p: float = 1.0
    """
    Sample from the most likely tokens that make up this share of the probability. 1 takes all.
    """
    top_k: int = 0
    """
    Sample from this many of the most likely tokens. 0 takes all.
    """
    n: int
    seed: int


class SamplingPlan(BaseModel):
    """
    Which models respond to each prompt, and which of their responses one item shows.
    """

    sources: list[PlannedSource] | None = None
    compare: Literal["across", "any"] = "across"
    """
    across: responses of different sources, where there are several; any: whichever
    """
    chat_model_id: int | None = None
    """
    What chat answers with; null: the current policy
    """
    chat_temperature: float = 0.7
    """
    Of answers in chat: below 1 they are more predictable than what is sampled for comparison
    """


class SamplingSettings(BaseModel):
    """
    How responses are sampled.
    """

    strategy: Literal["mixed", "stochastic"] = "mixed"
    """
    A prompt's two answers differ by how they are written.
    """
    temperature: float = 1.0
    """
    Above 1 more varied, below 1 more predictable.
    """
    max_new_tokens: int = 256
    """
    An answer cut off here is marked as such.
    """
    top_p: float = 1.0
    """
    Sample from the most likely tokens that make up this share of the probability. 1 takes all.
    """
    top_k: int = 0
    """
    Sample from this many of the most likely tokens. 0 takes all.
    """


class SamplingStarted(BaseModel):
    """
    The sampling run that was queued; null where there is nothing to do.
    """

    run: int | None


class SessionView(BaseModel):
    """
    A browser in which I am signed in. `device` and `last_used_at` (to five minutes) are unknown for old ones.
    """

    id: int
    device: str | None
    created_at: AwareDatetime
    last_used_at: AwareDatetime | None
    expires_at: AwareDatetime
    present: bool
    """
    Whether this call itself comes by it
    """


class SessionsEnded(BaseModel):
    """
    How many browsers were signed out.
    """

    ended: int


class SharedChoiceView(BaseModel):
    """
    A choice between two responses in a conversation that is shared, as a row to learn from. `preference` is the
    probability that `chosen` is better: 0.5 for a tie.
    """

    prompt: list[Message]
    chosen: str
    rejected: str
    preference: float
    chosen_model_id: int | None
    rejected_model_id: int | None


class ShownResponse(BaseModel):
    """
    A response as it is displayed.
    """

    text: str
    finish_reason: str | None


class SignInLinkView(BaseModel):
    """
    An address that signs its person in, once, within a day.
    """

    url: str


class SkipCount(BaseModel):
    """
    How many items were skipped for one reason; both are null where none was given.
    """

    reason_id: str | None
    reason: str | None
    count: int


class SkipView(BaseModel):
    """
    A person's skip of an item. `reason` is the text of the project's reason that they gave, `note` what they wrote
    themselves; either may be null.
    """

    item_id: int
    annotator_id: int
    reason_id: str | None
    reason: str | None
    note: str | None


class Skipped(BaseModel):
    """
    False where the item was not open any more.
    """

    skipped: bool


class SnapshotView(BaseModel):
    """
    Labels that were frozen to learn from: how many it holds, in how many pairs, and how many went with their person.
    `intact`: they give the hash that was written down; `sentence` says what that means.
    """

    id: int
    content_hash: str
    created_at: AwareDatetime
    label_count: int
    train_pair_count: int
    holdout_pair_count: int
    deleted_labels: int
    intact: bool
    sentence: str


class StepView(BaseModel):
    """
    The next sensible step: what, why, and on which page; null where there is nothing to do but wait. `time` says how
    long it takes where that was measured.
    """

    title: str
    reason: str
    href: str | None
    time: str | None


class TaskView(BaseModel):
    """
    An item that I hold: its prompt, and its responses in the order in which they are to be displayed.
    `instructions` is the version of the guidelines and questions that goes with it.
    """

    assignment_id: int
    instructions: int | None
    kind: str
    messages: list[Message]
    responses: list[ShownResponse]


class TextToScore(BaseModel):
    """
    A response written by hand, with its prompt as messages.
    """

    prompt: list[Message]
    response: str


class TokenView(BaseModel):
    """
    One of my API tokens. Without `expires_at` it lasts until it is revoked.
    """

    id: int
    name: str
    scopes: list[Literal["read", "label", "manage", "admin"]]
    created_at: AwareDatetime
    last_used_at: AwareDatetime | None
    expires_at: AwareDatetime | None


class TrainingConfig(BaseModel):
    """
    Train a model by a method, which is named in the run's row.

    `rewards`: what a policy's responses are paid, where that is not the run's reward model alone. `settings` are those
    of the command and `options` those of the platform, by the method's own form. They stay readable where the method is
    no longer installed.
    """

    kind: Literal["training"] = "training"
    settings: dict[str, bool | int | float | str | list[str] | None] | None = None
    options: dict[str, bool | int | float | str | list[str] | None] | None = None
    rewards: list[RewardTerm] | None = None


class TurnView(BaseModel):
    """
    A message or a response to one. Of several responses with the same `position`, the conversation goes on from the
    one that is `kept`. `left_out` counts the oldest messages that the model could not be shown. Two responses that wait
    for a choice between them name no model.
    """

    id: int
    position: int
    variant: int
    kept: bool
    role: Literal["user", "assistant"]
    """
    Who speaks.
    """
    content: str
    state: Literal["streaming", "done", "stopped", "failed"]
    """
    An assistant's turn is `streaming` until its text is whole; `stopped` where the reader left.
    """
    model: str | None
    model_id: int | None
    finish_reason: str | None
    left_out: int
    thumb: Literal["up", "down"] | None
    error: str | None


class UndoConfig(BaseModel):
    """
    Take out what an import has brought.
    """

    kind: Literal["undo"] = "undo"
    import_id: int


class UseView(BaseModel):
    """
    One quota. `limit` is null where there is none, `used` where it was not measured yet; storage in bytes.
    """

    name: str
    title: str
    used: int | None
    limit: int | None
    share: float
    """
    Of the limit; 0 without one
    """


class Withdrawn(BaseModel):
    """
    How many were taken out; those that were out already do not count.
    """

    withdrawn: int


class Work(BaseModel):
    """
    How many labels, the hours that they took, and how many that is in an hour. The latter two count labels whose
    time the page measured, none as longer than LONGEST_WORK. `pace` is None where no time is known.
    """

    labels: int
    hours: float
    pace: float | None


class Worker(BaseModel):
    """
    A person who has labelled in the time looked at.
    """

    id: int
    name: str
    labels: int


class Annotator(BaseModel):
    """
    How one person works. Shares are of one; intervals are Wilson's, 95%, with as many trials as there are labels.
    """

    id: int
    name: str
    labels: int
    pace: float | None
    left_share: float | None
    left_low: float
    left_high: float
    ties: int
    both_bad: int
    late: int
    skipped: int
    checks: int
    passed: int
    with_others: float | None
    with_consensus: float | None
    shared: int
    last_at: AwareDatetime
    paused_at: AwareDatetime | None
    pause_reason: str | None
    habits: Habits


class Asked(BaseModel):
    """
    What was asked beside the guidelines, in one of their versions, as the settings had it: kept as plain values,
    since settings may have other fields by then.
    """

    questions: list[AskedText]
    reasons: list[AskedText]
    comment: str
    kinds: dict[str, dict[str, Any]]


class AttentionView(BaseModel):
    """
    What a project needs, in a sentence, and the page where that is done. `urgency`: now, soon or none.
    """

    urgency: Literal["now", "soon", "none"]
    """
    How much a project needs somebody: now, soon, or not.
    """
    sentence: str
    href: str


class AutomationView(BaseModel):
    """
    An automation: the rule, its budget, what it did last, and what it waits for.
    """

    name: str
    on: bool
    rule: str
    budget: str
    last: LastView | None
    now: str


class BulkDone(BaseModel):
    """
    What became of the rows. Where `upto` is not null more are left: the same request with this `upto` goes on.
    """

    done: int
    left_out: list[LeftOut]
    upto: int | None


class Claimed(BaseModel):
    """
    `task` is null where there is nothing to label.
    """

    task: TaskView | None


class ComparedPolicy(BaseModel):
    """
    One policy. `measure` is what a reward model says of its responses to holdout prompts, `against_base` what people
    say of it against the base model; null where there is none.
    """

    model_id: int
    name: str
    method: str
    seconds: float | None
    measure: Measure | None
    against_base: ResultView | None


class ComparedView(BaseModel):
    """
    What an evaluation says so far of two of its models, from the first one's side.
    """

    model_id: int
    model_name: str
    other_id: int
    other_name: str
    result: ResultView


class ConversationView(BaseModel):
    """
    The same with all its turns.
    """

    id: int
    title: str
    consent: bool
    created_at: AwareDatetime
    turns: list[TurnView]


class CreatedInvitation(BaseModel):
    """
    A new invitation. The address of its link is told this once.
    """

    id: int
    role: Literal["manager", "annotator"]
    """
    What a member may do in a project.
    """
    note: str | None
    created_at: AwareDatetime
    expires_at: AwareDatetime
    url: str


class CreatedToken(BaseModel):
    """
    A new token. Its `token` is told this once.
    """

    id: int
    name: str
    scopes: list[Literal["read", "label", "manage", "admin"]]
    created_at: AwareDatetime
    last_used_at: AwareDatetime | None
    expires_at: AwareDatetime | None
    token: str


class EndpointView(BaseModel):
    """
    A model that answers through an API. Prices are of a million tokens; `tokens_estimated` of those used are by our
    own count. `tried_said` is what a short question brought: the response, or what went wrong.
    """

    id: int
    name: str
    state: Literal["preparing", "ready", "failed", "archived"]
    """
    `preparing` until a base model's files are in the store; runs register models as `ready`.
    """
    base_url: str
    served_name: str
    key_name: str | None
    requests_per_minute: int
    at_once: int
    token_limit: int | None
    tokens_in: int
    tokens_out: int
    tokens_estimated: int
    price_in: float | None
    price_out: float | None
    cost: float | None
    tried_at: AwareDatetime | None
    tried_well: bool | None
    tried_said: str | None
    created_at: AwareDatetime


class EvaluationConfig(BaseModel):
    """
    Have the run's model, its baseline and `other_ids` respond to holdout prompts, and people compare the responses
    blindly: pairs of two, rankings of more.
    """

    settings: SamplerSettings
    kind: Literal["evaluation"] = "evaluation"
    prompt_ids: list[int]
    comparisons: int
    overlap: int
    other_ids: list[int] | None = None


class EventView(BaseModel):
    """
    An entry of the audit trail: what happened in a sentence, and the same for programs.
    """

    id: int
    at: AwareDatetime
    sentence: str
    action: str
    """
    subject.verb, as in policy.promoted
    """
    actor_id: int | None
    """
    Null: the platform itself
    """
    actor_name: str | None
    project_id: int | None
    subject_type: str | None
    subject_id: int | None
    details: dict[str, Any]


class ExportSettings(BaseModel):
    """
    An export of a project's labels.
    """

    outcome: Literal["first", "second", "tie", "both_bad"] | None = None
    """
    Only labels with this choice on the main question
    """
    annotator: int | None = None
    """
    Only labels of the annotator with this number; below zero it is an imported annotator's
    """
    purpose: Literal["train", "check", "evaluation", "chat"] | None = None
    """
    Only labels on items of this purpose
    """
    late: bool = False
    """
    Only labels given after their lease had ended
    """
    commented: bool = False
    """
    Only labels with a comment
    """
    layout: Literal["everything", "trl", "trl-conversational", "sft", "label-studio"] = "everything"
    """
    everything: all there is, can be imported again; trl: prompt, chosen, rejected as text; trl-conversational: the same as messages; sft: prompt and completion, of responses that people wrote; label-studio: tasks with annotations
    """
    format: Literal["jsonl", "json", "csv", "excel", "parquet", "dataset"] | None = None
    """
    jsonl (the default), json: a list (Label Studio's), csv, excel: CSV for spreadsheets, parquet, dataset: a DatasetDict folder in a ZIP archive
    """
    files: Literal["one", "splits"] = "one"
    """
    splits: train and test, a file each, with a dataset card, in a ZIP archive
    """
    rows: Literal["labels", "pairs"] = "labels"
    """
    Of TRL's layouts. labels: a row for each label; pairs: a row for each pair of responses, with the share of its raters that prefer the chosen one
    """
    question: str = ""
    """
    Of TRL's layouts: the id of the question; empty: the main one
    """
    ties: bool = False
    """
    Of TRL's layouts: rows of equal responses too, with the preference 0.5
    """
    split: Literal["train", "holdout"] | None = None
    """
    Only labels on prompts of this split
    """
    revisions: bool = False
    """
    Of everything: labels that were changed or withdrawn later, too
    """
    names: bool = False
    """
    People by name, beside their numbers
    """


class FoundRow(BaseModel):
    """
    A row as it will be stored. `labels` are in words.
    """

    line: int
    messages: list[Message]
    responses: list[FoundResponse]
    labels: list[str]


class GlanceView(BaseModel):
    """
    A project among others. `today` and `week` are labels since midnight and since Monday (UTC), `queue` pairs that
    wait; `agreement` is that on the pairs of the newest labels.
    """

    id: int
    name: str
    role: Literal["manager", "annotator"] | None
    members: int
    labels: int
    today: int
    week: int
    last_at: AwareDatetime | None
    queue: int
    active_runs: int
    agreement: Agreement
    attention: AttentionView
    quotas: list[LimitView]


class HeadReport(BaseModel):
    """
    What a head tells of itself. able: it knows enough to choose, whether or not the project wants it to order the
    queue. measuring: preferences on holdout prompts, which teach nothing; usable: waiting
    items that it can order; waiting: all of them; unread: labels that it cannot learn, for their responses have no
    features of its reward model; moved: how far learning label by label was from the exact fit.
    """

    state: Literal["orders", "off", "no_model", "no_features", "few_labels", "one_rater", "no_better"]
    """
    Whether a head orders the queue, or why the order is random.
    """
    able: bool = False
    labels: int = 0
    raters: int = 0
    measuring: int = 0
    unread: int = 0
    usable: int = 0
    waiting: int = 0
    unusable_features: int = 0
    foreign_features: int = 0
    moved: float | None = None
    curve: list[CurvePoint] = Field([], validate_default=True)
    order: Measured | None = None
    choice: Measured | None = None
    gain: Gain | None = None


class ImportPreview(BaseModel):
    """
    What a file comes to, or its first rows where it is not `whole`; nothing was stored. `proposal` says which column
    may be what, where the columns are of no known layout: `counts` are empty then, and `sentence` says what to do.
    """

    what: Literal["prompts", "pairs", "labels"] | None
    container: str | None
    layout: str | None
    columns: list[str]
    rows: int
    whole: bool
    counts: dict[str, int]
    first: list[FoundRow]
    refused: list[RefusedView]
    proposal: dict[str, str]
    sentence: str | None


class ImportReport(BaseModel):
    """
    What became of an import. `refused` has the first hundred of `refused_count`.
    """

    entries: int
    imported: int
    new: int
    duplicates: int
    holdout: int
    refused: list[RefusedEntry]
    refused_count: int


class InstructionsView(BaseModel):
    """
    One version of a project's guidelines and of what it asked, as its settings had it; labels name it by `number`.
    `present` is true for the one that holds now.
    """

    number: int
    present: bool
    guidelines: str
    asked: Asked
    created_at: AwareDatetime


class InvitationView(BaseModel):
    """
    An invitation that can still be used.
    """

    id: int
    role: Literal["manager", "annotator"]
    """
    What a member may do in a project.
    """
    note: str | None
    created_at: AwareDatetime
    expires_at: AwareDatetime


class LabelSettings(BaseModel):
    """
    What people are asked, and how they label.
    """

    questions: list[Question] | None = None
    """
    Asked beside the main question, each with a choice of its own; a new one by its text alone
    """
    reasons: list[Reason] | None = None
    comment: Literal["off", "optional", "required"] = "optional"
    skip_reasons: list[Reason] | None = None
    """
    Why somebody may skip an item; giving one is never required
    """
    kinds: dict[str, KindSettings] | None = None
    """
    The settings of each kind of items, by its name
    """
    former: dict[str, str] | None = None
    """
    The last text of questions and reasons that are not asked any more, by id
    """


class LabelView(BaseModel):
    """
    A label. `order` has the positions of the item's responses as they were displayed; `assignment_id` is null where
    the label came from a chat, or by import `run_id`: then `annotator_id` is null too, `imported_annotator` whoever the
    file names, and `extra` has its further columns. `instructions` is the version of the guidelines and questions that
    it was given under, null where that is not known.
    """

    id: int
    item_id: int
    assignment_id: int | None
    annotator_id: int | None
    imported_annotator: str | None
    run_id: int | None
    extra: dict[str, Any] | None
    value: LabelValueView
    order: list[int]
    preferences: list[PreferenceView]
    reasons: list[str]
    comment: str | None
    seconds: float | None
    instructions: int | None
    late: bool
    surplus: bool
    created_at: AwareDatetime


class LearningView(BaseModel):
    """
    What the live head learned and tells. `order` says how the queue is ordered, `choice` which of several
    sampled answers new pairs show (null: any), `next` what the next labels are
    expected to bring; `choosing` what choosing brought beside the random share. report.measuring: preferences on
    holdout prompts; accuracies are shares, log-losses in nats.
    """

    order: str
    choice: str | None
    next: str
    choosing: list[str]
    report: HeadReport


class LineageView(BaseModel):
    """
    A policy, its ancestors from the base model on, and whether it is the current one.
    """

    model: ModelView
    lineage: list[ModelView]
    in_use: bool


class ListedProject(BaseModel):
    """
    A project in a list. `role` is null where an administrator is no member.
    """

    id: int
    name: str
    role: Literal["manager", "annotator"] | None
    labels: int
    members: int


class LoopView(BaseModel):
    """
    A number for each stage, and the next sensible step with its reason.
    """

    prompts: int
    prompts_in_review: int
    open_items: int
    open_evaluation_items: int
    labels: int
    new_labels: int
    labels_last_hour: int
    labels_last_day: int
    active_annotators: int
    reward_models: int
    policies: int
    conversations: int
    in_use_id: int
    in_use_name: str
    active_runs: dict[str, int]
    next_step: StepView
    first_round: list[FirstStepView]
    first_round_hidden: bool
    automations: list[AutomationView]
    quotas: list[str]
    """
    Quotas of which four fifths or more are used, each in a sentence
    """


class MemberView(BaseModel):
    """
    A person in a project.
    """

    user_id: int
    name: str
    email: str
    role: Literal["manager", "annotator"]
    """
    What a member may do in a project.
    """
    paused_at: AwareDatetime | None
    pause_reason: str | None


class MethodView(BaseModel):
    """
    A method of training: what it is for, what must be there before, and the settings it takes, as a JSON schema.
    """

    name: str
    title: str
    help: str
    needs: str
    makes: Literal["base", "policy", "reward"]
    """
    What a model is for.
    """
    missing: str | None
    settings: dict[str, Any]
    presets: list[PresetView]


class OverTimeView(BaseModel):
    """
    Labels over time. `people` are those who gave some, with how many; `hours` are labels by hour of the day.
    """

    unit: str
    labels: int
    buckets: list[BucketView]
    people: list[Worker]
    hours: list[int]
    counted_at: AwareDatetime


class OverviewView(BaseModel):
    """
    All projects that one manages, or sees as an administrator.
    """

    projects: list[GlanceView]


class ProjectView(BaseModel):
    """
    A project and its settings.
    """

    id: int
    name: str
    role: Literal["manager", "annotator"]
    """
    What a member may do in a project.
    """
    guidelines: str
    instructions: int | None
    """
    The present version of the guidelines and of what is asked
    """
    base_model_id: int
    policy_id: int | None
    answer: LabelSettings
    sampling: SamplingSettings
    plan: SamplingPlan | None
    """
    Null for annotators, who are not to know what they compare
    """
    automation: AutomationSettings
    queue: QueueSettings
    first_round_hidden: bool
    """
    Whether managers are not shown the checklist of the first round
    """
    archived_at: AwareDatetime | None
    created_at: AwareDatetime


class PromptView(BaseModel):
    """
    A prompt. `flags` names kinds of personal data that it may contain.
    """

    id: int
    messages: list[Message]
    split: Literal["train", "holdout"]
    """
    Fixed when the prompt comes, by its conversation's first user turn. A holdout prompt's labels train nothing.
    """
    source: Literal["starter", "import", "api", "chat"]
    """
    Where a prompt came from.
    """
    status: Literal["review", "active", "refused", "withdrawn"]
    """
    Only active prompts are sampled; those from chat wait in `review` until a manager admits them.
    """
    flags: list[str]
    created_at: AwareDatetime


class QualityView(BaseModel):
    """
    Agreement on the main question and on each further one, how each annotator works, how far each two agree;
    `paces`: how many labels took less than 2, 5, 10, 20, 40, 80 seconds, and more.
    """

    agreement: Agreement
    questions: dict[str, Agreement]
    annotators: list[Annotator]
    couples: list[Couple]
    paces: list[int]
    skips: list[SkipCount]
    counted_at: AwareDatetime


class QuotasView(BaseModel):
    """
    A project's quotas, and what its manager is to be told: from 80 % of one on.
    """

    quotas: list[UseView]
    storage_measured_at: AwareDatetime | None
    notices: list[str]


class ResponseView(BaseModel):
    """
    A response, who wrote it, and how it was sampled where a model did.
    """

    id: int
    text: str
    origin: Literal["model", "person", "import"]
    """
    Who or what wrote a response.
    """
    model_id: int | None
    author_id: int | None
    imported_from: str | None
    finish_reason: str | None
    tokens: int | None
    strategy: Literal["greedy", "stochastic"] | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    seed: int | None


class SampledModel(BaseModel):
    """
    A further model that a run samples from, with its settings.
    """

    model_id: int
    settings: SamplerSettings


class SamplingConfig(BaseModel):
    """
    Sample responses to these prompts and put them before people.
    """

    settings: SamplerSettings
    kind: Literal["sampling"] = "sampling"
    prompt_ids: list[int]
    item_kind: str
    others: list[SampledModel] | None = None
    across: bool = True


class Saved(BaseModel):
    """
    The label's number, and the item that follows. `label` is null where it could not be taken; `warning` says why,
    or what else became of it.
    """

    label: int | None
    warning: str | None
    paused: bool
    next: TaskView | None


class ScoringConfig(BaseModel):
    """
    Score texts written by hand, or what these policies respond to holdout prompts; without either, the project's
    responses that the model has not scored yet.
    """

    kind: Literal["scoring"] = "scoring"
    texts: list[TextToScore] | None = None
    policy_ids: list[int] | None = None
    prompt_ids: list[int] | None = None


class ComparedPolicies(BaseModel):
    """
    The policies that learned from one snapshot of labels, the oldest first, measured by one reward model.
    """

    labels: int
    scored_by: int | None
    policies: list[ComparedPolicy]


class ExportConfig(BaseModel):
    """
    Write labels to a file that can be downloaded.
    """

    kind: Literal["export"] = "export"
    wanted: ExportSettings


class ItemView(BaseModel):
    """
    An item: a prompt with the responses to judge, in the order of their positions. Of two that wait, the one of the
    higher `level` comes first, then the one of the higher `rank`.
    """

    id: int
    prompt_id: int
    messages: list[Message]
    split: Literal["train", "holdout"]
    """
    Fixed when the prompt comes, by its conversation's first user turn. A holdout prompt's labels train nothing.
    """
    kind: str
    responses: list[ResponseView]
    purpose: Literal["train", "check", "evaluation", "chat"]
    """
    Why an item is shown; hidden from the annotator.
    """
    level: str
    rank: float
    control: bool
    overlap_target: int
    slots_left: int
    withdrawn_at: AwareDatetime | None
    run_id: int | None
    created_at: AwareDatetime


class RunView(BaseModel):
    """
    A run. `config` is what it was asked to do, by its kind; `method` is that of a training. Without a project it is
    the whole installation's: the preparation of a base model.
    """

    id: int
    project_id: int | None
    kind: Literal["preparation", "sampling", "training", "scoring", "evaluation", "import", "undo", "export"]
    """
    What a run does.
    """
    method: str | None
    state: Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
    """
    queued -> running -> succeeded | failed | cancelled, with cancelling between running and cancelled.
    """
    config: (
        PreparationConfig
        | SamplingConfig
        | TrainingConfig
        | ScoringConfig
        | EvaluationConfig
        | ImportConfig
        | UndoConfig
        | ExportConfig
    ) = Field(..., discriminator="kind")
    model_id: int | None
    reward_model_id: int | None
    baseline_id: int | None
    snapshot_id: int | None
    parent_id: int | None
    needs_gpu: bool
    attempt: int
    max_attempts: int
    worker: str | None
    device: str | None
    step: int
    total_steps: int | None
    unit: str | None
    steps_per_second: float | None
    summary: dict[str, Any] | None
    error: str | None
    automatic: bool
    name: str
    tags: list[str]
    note: str
    created_by_id: int | None
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None


class ComparedRunView(BaseModel):
    """
    A run of a comparison, with what its cells say: one for each column, in words.
    """

    run: RunView
    cells: list[str]


class ComparisonView(BaseModel):
    """
    Runs beside each other.
    """

    columns: list[ComparedColumnView]
    lines: list[ComparedRunView]


class EvaluationView(BaseModel):
    """
    An evaluation and its result so far. `result` is of the policy against the first of the other models, `pairs` of
    each two.
    """

    run: RunView
    result: ResultView
    pairs: list[ComparedView]


class ImportView(BaseModel):
    """
    An import. `refused` are the first of its refused rows; `counts` has what it made of the others. `undone_by` is
    the run that takes it back.
    """

    run: RunView
    counts: dict[str, int]
    refused: list[RefusedView]
    undone_by: int | None
