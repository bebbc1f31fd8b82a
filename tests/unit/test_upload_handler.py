"""Files in requests: nobody reads them but the view that wants them."""

from io import BytesIO

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory


class Stream(BytesIO):
    """Counts the bytes that are read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        block = super().read(size)
        self.taken += len(block)
        return block


def test_the_files_of_a_request_are_not_read() -> None:
    file = SimpleUploadedFile("large", b"x" * 10**6)
    request = RequestFactory().post("/admin/login/", {"username": "a", "file": file})
    body = request.META["wsgi.input"].read()
    request._stream = stream = Stream(body)

    assert request.POST["username"] == "a"
    assert not request.FILES
    assert stream.taken < 200_000
