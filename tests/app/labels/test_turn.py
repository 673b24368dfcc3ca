"""The statements of the labelling turn and the object that they take their values from."""

from sqlalchemy import TextClause

from app.labels import turn


def test_every_statement_binds_names_of_the_one_object_and_each_name_has_a_use() -> None:
    statements = [each for each in vars(turn).values() if isinstance(each, TextClause)] + [*turn._CLAIMS.values()]
    assert len(statements) > 6
    bound = {name for statement in statements for name in statement.compile().params}
    assert bound == set(turn.Parameters.__annotations__) | set(turn.StandingParameters.__annotations__)
