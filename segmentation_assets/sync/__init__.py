"""What leaves the house: fields of accounts to the CRM, and the digest to Slack. One of the faces.

Here: what differs from the CRM (`changes`), the guards before anything is written (`guards`), the vendors' clients
(`hubspot`, `salesforce`), sending and the log of it (`applying`, `log`), and the digest (`digest`, `slack`).
Not here: any score or segment (the chain), which fields are sent under which name (policy `crm`), or when it runs
(`orchestration`).
"""
