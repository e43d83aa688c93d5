"""Every difference from the vendor's SDK that is permitted, exactly as it is, under the reason why it is wanted.

A row names a scenario and, for each fact that differs, the vendor's value and ours (both of our clients). What is not
listed must not differ; what is listed must.
"""

from tests.differential.file_differences import FILES
from tests.differential.reply_differences import ERRORS, REPLIES
from tests.differential.request_differences import ARGUMENTS, CONSTRUCTION
from tests.differential.shapes import Permitted

PERMITTED: Permitted = {**CONSTRUCTION, **ARGUMENTS, **FILES, **REPLIES, **ERRORS}
