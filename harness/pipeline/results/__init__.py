"""Result files and what lies beside them: tables of single images, albums of small pictures."""
