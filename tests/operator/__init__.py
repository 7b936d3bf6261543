# ruff: noqa: A005 - named after the folder it tests; with tests/__init__.py beside it nothing is shadowed
