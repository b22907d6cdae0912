import pytest
import task_files


@pytest.fixture(scope="session")
def words(tmp_path_factory):
    """The folder of a tokenizer of a few words."""
    return str(task_files.tokenizer(tmp_path_factory.mktemp("tokenizer")))
