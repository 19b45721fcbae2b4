"""Sentences of requests that are refused before they reach a handler of the page or the API.

Names in braces are filled in with str.format.
"""

# Uploads.
UPLOAD_TOO_LARGE = "The file is too large: at most {limit} MB are accepted. Choose a smaller file."
TOO_MANY_FILES = "At most {limit} files are accepted at once."
CLIENT_UPLOADED_TOO_MUCH = "You have uploaded {limit} MB within an hour, which is the limit. Try again later."
UPLOADS_FULL = "The server has no room for more uploads at the moment. Try again later."
NO_UPLOAD = "This is no upload of files as the app's page sends it."
FOREIGN_UPLOAD = "Uploads are accepted only from the app's own page."

# Calls of functions.
CALL_TOO_LARGE = "The request is too large: at most {limit} MB are accepted."
CALL_NOT_JSON = "The request is not a JSON object."
TOO_MANY_VALUES = "The request is too large: it may contain at most {limit} values."
FILE_ELSEWHERE = "Files on other servers are not downloaded. Upload the file."
TOO_MANY_SESSIONS = (
    "Too many pages were opened from your address within an hour. Close some of them and try again later."
)
NO_SUCH_FUNCTION = "There is no function of this name or number."
WRONG_VALUE_COUNT = "The function needs {needed} values in the list `data`; these are {count}."
WRONG_ARGUMENTS = "There is no such endpoint, or it has no arguments like these."

# Host names.
UNKNOWN_HOST = (
    "This app does not answer under the name {host}. Its operator can allow the name in STUDIO_HOSTS."
)
