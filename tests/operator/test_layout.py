from tests.support.control_plane import REPOSITORY


def test_the_operator_folder_is_no_package() -> None:
    """operator/__init__.py would shadow Python's own module `operator` and break the interpreter."""
    assert not (REPOSITORY / "operator" / "__init__.py").exists()
