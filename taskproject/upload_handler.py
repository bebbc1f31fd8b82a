"""Uploaded files: no view accepts any, unless it sets its own upload handlers.

Django reads the files of every multipart request, of any size, before a view or a check of
the CSRF token: also those of people who are not signed in."""

from typing import Never

from django.core.files.uploadhandler import FileUploadHandler, StopUpload


class RefuseFiles(FileUploadHandler):
    """Ends the reading of a request at its first file."""

    def new_file(self, *args: object, **kwargs: object) -> Never:
        raise StopUpload(connection_reset=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> Never:
        raise StopUpload(connection_reset=True)

    def file_complete(self, file_size: int) -> None:
        return None
