"""Pictures and pages: figures are laid out here, templates turn them into SVG and HTML.

Every value in a template is escaped, and what comes from outside is cleaned by ``outside.text``.
"""
